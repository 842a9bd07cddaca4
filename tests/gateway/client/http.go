// How OpenFaaS' own client speaks HTTP: what it sends, and what it takes for success.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"
)

type gateway struct {
	url, user, password string
	client              *http.Client
}

func fail(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "FAILED: "+format+"\n", args...)
	os.Exit(1)
}

func check(good bool, format string, args ...any) {
	if !good {
		fail(format, args...)
	}
}

// An answer, whole.
type answer struct {
	status int
	header http.Header
	body   []byte
}

func (a answer) String() string { return fmt.Sprintf("%d %s", a.status, a.body) }

// Wants one of these statuses.
func (a answer) want(what string, statuses ...int) answer {
	for _, status := range statuses {
		if a.status == status {
			return a
		}
	}
	fail("%s: want %v, got %v", what, statuses, a)
	return a
}

// Reads the body into a value as the client does, which ignores unknown keys.
func (a answer) read(what string, value any) {
	if err := json.Unmarshal(a.body, value); err != nil {
		fail("%s: %v in %s", what, err, a.body)
	}
}

func (g *gateway) request(method, path string, body any) *http.Request {
	var reader io.Reader
	if body != nil {
		encoded, err := json.Marshal(body)
		check(err == nil, "marshal: %v", err)
		reader = bytes.NewReader(encoded)
	}
	request, err := http.NewRequest(method, g.url+path, reader)
	check(err == nil, "%s %s: %v", method, path, err)
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	request.Header.Set("User-Agent", "faas-cli/0.0.0")
	return request
}

func (g *gateway) send(request *http.Request) answer {
	response, err := g.client.Do(request)
	check(err == nil, "%s %s: %v", request.Method, request.URL, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	check(err == nil, "%s %s: %v", request.Method, request.URL, err)
	return answer{response.StatusCode, response.Header, body}
}

// A request of somebody who has logged in.
func (g *gateway) do(method, path string, body any) answer {
	request := g.request(method, path, body)
	request.SetBasicAuth(g.user, g.password)
	return g.send(request)
}

// Asks until it is so.
func until(what string, ask func() bool) {
	for begun := time.Now(); !ask(); time.Sleep(100 * time.Millisecond) {
		check(time.Since(begun) < 2*time.Minute, "%s: not within two minutes", what)
	}
}
