// A client of the builder API that does what OpenFaaS' own does: it packs a handler's folder into an archive, signs it, posts it, and
// reads the answer, as one object or line by line. It checks what its own would rely on, and says what is wrong.
//
//	client URL SECRET-FILE IMAGE CONTEXT
package main

import (
	"archive/tar"
	"bufio"
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
)

type config struct {
	Image     string            `json:"image"`
	BuildArgs map[string]string `json:"buildArgs,omitempty"`
	Platforms []string          `json:"platforms,omitempty"`
	SkipPush  bool              `json:"skipPush,omitempty"`
}

type result struct {
	Log      []string `json:"log"`
	Image    string   `json:"image"`
	Status   string   `json:"status"`
	Error    string   `json:"error,omitempty"`
	Duration float64  `json:"duration,omitempty"`
}

func check(good bool, format string, values ...any) {
	if !good {
		fmt.Printf(format+"\n", values...)
		os.Exit(1)
	}
}

func must(err error) {
	check(err == nil, "%v", err)
}

// pack writes a folder as `context`, and the configuration behind it. Names of folders have no slash at their end.
func pack(folder string, config config) []byte {
	var archive bytes.Buffer
	writer := tar.NewWriter(&archive)
	must(filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		must(err)
		relative, err := filepath.Rel(folder, path)
		must(err)
		info, err := os.Stat(path)
		must(err)
		header, err := tar.FileInfoHeader(info, "")
		must(err)
		header.Name = filepath.Join("context", relative)
		must(writer.WriteHeader(header))
		if info.Mode().IsRegular() {
			file, err := os.Open(path)
			must(err)
			defer file.Close()
			_, err = io.Copy(writer, file)
			must(err)
		}
		return nil
	}))
	document, err := json.Marshal(config)
	must(err)
	must(writer.WriteHeader(&tar.Header{Name: "com.openfaas.docker.config", Mode: 0o664, Size: int64(len(document))}))
	_, err = writer.Write(document)
	must(err)
	must(writer.Close())
	return archive.Bytes()
}

func post(url, secret string, archive []byte, accept string) *http.Response {
	request, err := http.NewRequest(http.MethodPost, url+"/build", bytes.NewReader(archive))
	must(err)
	request.Header.Set("Content-Type", "application/octet-stream")
	request.Header.Set("User-Agent", "openfaas-go-sdk")
	if accept != "" {
		request.Header.Set("Accept", accept)
	}
	if secret != "" {
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write(archive)
		request.Header.Set("X-Build-Signature", "sha256="+hex.EncodeToString(mac.Sum(nil)))
	}
	response, err := http.DefaultClient.Do(request)
	must(err)
	return response
}

// stream reads as a scanner with its usual buffer does: a longer line would end it in silence.
func stream(response *http.Response) []result {
	defer response.Body.Close()
	check(response.StatusCode == 200, "a stream has status %d", response.StatusCode)
	check(response.Header.Get("Content-Type") == "application/x-ndjson", "a stream is %q", response.Header.Get("Content-Type"))
	var results []result
	scanner := bufio.NewScanner(response.Body)
	for scanner.Scan() {
		var one result
		check(json.Unmarshal(scanner.Bytes(), &one) == nil, "no line of JSON: %q", scanner.Text())
		results = append(results, one)
	}
	must(scanner.Err())
	check(len(results) > 1, "a stream has %d lines", len(results))
	for _, one := range results[:len(results)-1] {
		check(one.Status == "in_progress", "before the end: %+v", one)
	}
	return results
}

func whole(response *http.Response) result {
	defer response.Body.Close()
	var one result
	body, err := io.ReadAll(response.Body)
	must(err)
	check(json.Unmarshal(body, &one) == nil, "no JSON: %q", body)
	return one
}

func main() {
	url, image, folder := os.Args[1], os.Args[3], os.Args[4]
	bytes, err := os.ReadFile(os.Args[2])
	must(err)
	secret := strings.TrimSpace(string(bytes))
	order := config{
		Image:     image,
		BuildArgs: map[string]string{"ADDITIONAL_PACKAGE": "", "GREETING": "two words"},
		Platforms: []string{"linux/amd64"},
	}

	lines := stream(post(url, secret, pack(folder, order), "application/x-ndjson"))
	last := lines[len(lines)-1]
	check(last.Status == "success" && last.Error == "" && last.Image == image && last.Duration > 0, "%+v", last)
	var log []string
	for _, one := range lines {
		log = append(log, one.Log...)
	}
	text := strings.Join(log, "\n")
	check(strings.Contains(text, "RUN") && strings.Contains(text, "said two words"), "the log is %q", text)

	order.SkipPush = true
	order.Image = strings.Replace(image, ":1", ":skipped", 1)
	answer := post(url, secret, pack(folder, order), "")
	one := whole(answer)
	check(answer.StatusCode == 200 && one.Status == "success" && one.Image == order.Image && len(one.Log) > 0, "%d %+v", answer.StatusCode, one)

	order.Platforms = []string{"linux/arm64"}
	lines = stream(post(url, secret, pack(folder, order), "application/x-ndjson"))
	last = lines[len(lines)-1]
	check(last.Status == "failed" && strings.Contains(last.Error, "linux/arm64"), "%+v", last)

	order.Platforms, order.BuildArgs["GREETING"] = nil, "fail"
	lines = stream(post(url, secret, pack(folder, order), "application/x-ndjson"))
	last = lines[len(lines)-1]
	check(last.Status == "failed" && strings.Contains(last.Error, "exit code: 9"), "%+v", last)
	answer = post(url, secret, pack(folder, order), "")
	one = whole(answer)
	check(answer.StatusCode == 422 && one.Status == "failed" && strings.Contains(one.Error, "exit code: 9"), "%d %+v", answer.StatusCode, one)

	for _, wrong := range []string{"", secret + "x"} {
		answer := post(url, wrong, pack(folder, order), "application/x-ndjson")
		check(answer.StatusCode == 401 && whole(answer).Status == "failed", "signed with %q: %d", wrong, answer.StatusCode)
	}
	for _, path := range []string{"/healthz", "/ready"} {
		answer, err := http.Get(url + path)
		must(err)
		answer.Body.Close()
		check(answer.StatusCode == 200, "%s: %d", path, answer.StatusCode)
	}
}
