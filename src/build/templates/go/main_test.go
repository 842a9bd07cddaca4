package main

import (
	"net/http/httptest"
	"strings"
	"testing"
)

func TestItGreets(t *testing.T) {
	answer := httptest.NewRecorder()
	handle(answer, httptest.NewRequest("POST", "/", strings.NewReader("you")))
	if body := answer.Body.String(); body != "Hello, you!\n" {
		t.Fatalf("unexpected answer: %q", body)
	}
}
