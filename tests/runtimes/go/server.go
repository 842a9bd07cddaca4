// net/http with a thousand goroutines that each call wakes, and a garbage collection between.
package main

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/google/uuid"
)

const workers = 1000

var (
	calls atomic.Int64
	tasks = make(chan func())
)

// fanOut lets every goroutine work once on memory of its own, while the collector runs.
func fanOut() int {
	var sum atomic.Int64
	var group sync.WaitGroup
	group.Add(workers)
	for i := 0; i < workers; i++ {
		part := i
		tasks <- func() {
			defer group.Done()
			garbage := make([]byte, 1024)
			garbage[part%1024] = 1
			for _, each := range garbage {
				sum.Add(int64(each))
			}
		}
		if i == workers/2 {
			runtime.GC()
		}
	}
	group.Wait()
	return int(sum.Load())
}

func echo(w http.ResponseWriter, r *http.Request) {
	var document any
	if err := json.NewDecoder(r.Body).Decode(&document); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	json.NewEncoder(w).Encode(map[string]any{"echo": document, "workers": fanOut()})
}

func random(w http.ResponseWriter, _ *http.Request) {
	var bytes [16]byte
	if _, err := rand.Read(bytes[:]); err != nil {
		panic(err)
	}
	io.WriteString(w, hex.EncodeToString(bytes[:]))
}

func file(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err == nil {
		err = os.WriteFile("/tmp/written", body, 0o600)
	}
	if err == nil {
		body, err = os.ReadFile("/tmp/written")
	}
	if err != nil {
		panic(err)
	}
	w.Write(body)
}

func main() {
	for i := 0; i < workers; i++ {
		go func() {
			for task := range tasks {
				task()
			}
		}()
	}
	http.HandleFunc("/count", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, calls.Add(1)) })
	http.HandleFunc("/uuid", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, uuid.New()) })
	http.HandleFunc("/random", random)
	http.HandleFunc("/json", echo)
	http.HandleFunc("/file", file)
	http.HandleFunc("/body", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Write(body)
	})
	// In a goroutine of its own a panic ends the program; net/http would catch it in the handler's.
	http.HandleFunc("/fail", func(http.ResponseWriter, *http.Request) {
		go panic("nobody catches this")
		select {}
	})
	port := os.Getenv("PORT")
	if port == "" {
		port = "8080"
	}
	log.Fatal(http.ListenAndServe(":"+port, nil))
}
