package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"
)

var function = deployment{
	Service:     "probe",
	EnvProcess:  "cat -",
	EnvVars:     map[string]string{"LONG_ONE": "hello world", "LONG_YES": "yes"},
	Secrets:     []string{"token"},
	Labels:      map[string]string{"team": "blue"},
	Annotations: map[string]string{"about": "a: \"b\""},
	Limits:      &resources{Memory: "64Mi", CPU: "100m"},
	Requests:    &resources{Memory: "32Mi"},
}

// deploy: per function PUT, and only on 404 POST; nothing but 200 and 202 is success.
func deploy(g *gateway, image string) {
	function.Image = image
	g.do("PUT", "/system/functions", function).want("deploy of something new", 404)
	deployed := g.do("POST", "/system/functions", function).want("deploy", 200, 202)
	check(strings.Contains(string(deployed.body), "limits.cpu has no effect"), "deploy: %v", deployed)
	g.do("POST", "/system/functions", function).want("deploy --update=false of what is there", 400)
	ready(g, "probe")
	g.do("PUT", "/system/functions", function).want("deploy again", 200, 202)
}

// ready FUNCTION: described until a replica is available.
func ready(g *gateway, name string) {
	until(name+" is ready", func() bool {
		var found status
		g.do("GET", "/system/function/"+name+"?namespace=openfaas-fn&usage=1", nil).want("ready", 200).read("ready", &found)
		return found.AvailableReplicas > 0
	})
}

func call(g *gateway, method, path, body string) answer {
	request, err := http.NewRequest(method, g.url+path, strings.NewReader(body))
	check(err == nil, "%s: %v", path, err)
	request.Header.Set("Content-Type", "text/plain")
	return g.send(request)
}

// invoke: POST to NAME.openfaas-fn with text, without Authorization; any 2xx is success.
func invoke(g *gateway, _ string) {
	answered := call(g, "POST", "/function/probe.openfaas-fn?a=1", "input").want("invoke", 200)
	for _, name := range []string{"X-Call-Id", "X-Start-Time"} {
		check(answered.header.Get(name) != "", "invoke: no %s", name)
	}
	check(answered.header.Get("Content-Type") == "text/plain", "content type %s", answered.header.Get("Content-Type"))
	echoed := call(g, "POST", "/function/probe/echo", "input").want("invoke echo", 200)
	check(string(echoed.body) == "input", "echo: %v", echoed)
	token := call(g, "GET", "/function/probe/file/var/openfaas/secrets/token", "").want("a secret", 200)
	check(string(token.body) == "three", "secret: %v", token)
	environment := string(call(g, "GET", "/function/probe/environment", "").want("environment", 200).body)
	// LONG_ONE=hello world and LONG_YES=yes, each with a zero byte.
	check(environment == "2 variables of 34 bytes\n", "environment: %s", environment)
	none := call(g, "POST", "/function/none.openfaas-fn", "").want("invoke of none", 404)
	check(none.header.Get("X-OpenFaaS-Internal") == "proxy", "invoke of none is not marked")
	call(g, "POST", "/async-function/probe.openfaas-fn", "").want("invoke -a", 202)
}

// list: all functions. describe: one, then all, for the count of invocations.
func list(g *gateway, image string) {
	var all []status
	g.do("GET", "/system/functions?namespace=", nil).want("list", 200).read("list", &all)
	check(len(all) == 3 && all[0].Name == "documented" && all[2].Name == "probe", "list: %+v", all)
	// One with a secret of the operator's is seen, without that name, and gets no other program.
	theirs := all[1]
	check(theirs.Name == "of-operator" && len(theirs.Secrets) == 0, "list: %+v", theirs)
	other := deployment{Service: "of-operator", Image: image}
	g.do("PUT", "/system/functions", other).want("deploy over another's secret", 403)
	var one status
	g.do("GET", "/system/function/probe?usage=1&namespace=default", nil).want("describe", 200).read("describe", &one)
	for _, found := range []status{one, all[2]} {
		check(found.Image == image && found.Namespace == "default", "describe: %+v", found)
		check(found.InvocationCount >= 4 && found.Replicas == 1 && found.AvailableReplicas == 1, "describe: %+v", found)
		check(found.EnvProcess == "cat -" && len(found.EnvVars) == 2 && found.EnvVars["LONG_YES"] == "yes", "describe: %+v", found)
		check(len(found.Secrets) == 1 && found.Secrets[0] == "token" && found.Limits.Memory == "64Mi", "describe: %+v", found)
		check(found.Labels["team"] == "blue" && found.Annotations["about"] == "a: \"b\"", "describe: %+v", found)
		age := time.Since(found.CreatedAt)
		check(age > -time.Minute && age < time.Hour, "created at %v", found.CreatedAt)
	}
	g.do("GET", "/system/functions?namespace=none", nil).want("list of none", 200).read("list of none", &all)
	check(len(all) == 0, "list of none: %+v", all)
	g.do("GET", "/system/function/none?usage=1", nil).want("describe of none", 404)
}

func lines(g *gateway, query string) []message {
	answered := g.do("GET", "/system/logs?"+query, nil).want("logs", 200)
	check(answered.header.Get("Content-Type") == "application/x-ndjson", "logs: %v", answered.header)
	var all []message
	for _, line := range strings.Split(strings.TrimSuffix(string(answered.body), "\n"), "\n") {
		if line != "" {
			all = append(all, parse(line))
		}
	}
	return all
}

func parse(line string) message {
	var keys map[string]any
	var found message
	check(json.Unmarshal([]byte(line), &found) == nil && json.Unmarshal([]byte(line), &keys) == nil, "a line: %s", line)
	check(len(keys) == 5 && found.Name == "probe" && found.Namespace == "default", "a line: %s", line)
	check(found.Instance != "" && !found.Timestamp.IsZero(), "a line: %s", line)
	return found
}

func logs(g *gateway, _ string) {
	begun := time.Now().Add(-time.Second)
	call(g, "POST", "/function/probe.openfaas-fn/log/5", "").want("a call that logs", 200)
	until("five lines", func() bool { return len(lines(g, "name=probe&namespace=openfaas-fn&follow=false&tail=-1")) >= 5 })
	check(len(lines(g, "name=probe&follow=0&tail=2")) == 2, "the last two lines")
	since := "name=probe&follow=false&since=" + strings.ReplaceAll(begun.Format(time.RFC3339), "+", "%2B")
	check(len(lines(g, since)) >= 5, "lines since")
	check(len(lines(g, "name=probe&since=2100-01-01T00:00:00Z")) == 0, "lines of the future")
	g.do("GET", "/system/logs?name=none&tail=-1", nil).want("logs of none", 404)
	for _, wrong := range []string{"name=probe&tail=x", "name=probe&since=x", "tail=1"} {
		g.do("GET", "/system/logs?"+wrong, nil).want("logs with "+wrong, 422)
	}
	follow(g)
	tooMany(g)
}

// So many follow at once, and no more; a place is free again when one has gone.
func tooMany(g *gateway) {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	open := func() int {
		request := g.request("GET", "/system/logs?name=probe&follow=true&tail=1", nil).WithContext(ctx)
		request.SetBasicAuth(g.user, g.password)
		response, err := (&http.Client{}).Do(request)
		check(err == nil, "logs --tail: %v", err)
		return response.StatusCode
	}
	until("a client that follows is refused", func() bool {
		status := open()
		check(status == 200 || status == 429, "logs --tail: %d", status)
		return status == 429
	})
	stop()
	ctx, stop = context.WithCancel(context.Background())
	defer stop()
	until("a place is free", func() bool { return open() == 200 })
}

// logs --tail: the head comes at once, lines as they are written.
func follow(g *gateway) {
	ctx, stop := context.WithTimeout(context.Background(), time.Minute)
	defer stop()
	request := g.request("GET", "/system/logs?name=probe&follow=true&tail=1", nil).WithContext(ctx)
	request.SetBasicAuth(g.user, g.password)
	response, err := (&http.Client{}).Do(request)
	check(err == nil && response.StatusCode == 200, "logs --tail: %v", err)
	defer response.Body.Close()
	scanner := bufio.NewScanner(response.Body)
	check(scanner.Scan(), "logs --tail: no first line: %v", scanner.Err())
	before := parse(scanner.Text())
	call(g, "POST", "/function/probe/log/3", "").want("a call that logs", 200)
	for range 3 {
		check(scanner.Scan(), "logs --tail: no more lines: %v", scanner.Err())
		found := parse(scanner.Text())
		check(found.Instance != before.Instance && !found.Timestamp.Before(before.Timestamp), "logs --tail: %+v", found)
	}
}

func scale(g *gateway, _ string) {
	for _, replicas := range []int{0, 3} {
		body := map[string]any{"serviceName": "probe", "replicas": replicas}
		g.do("POST", "/system/scale-function/probe", body).want("scale", 200, 201, 202)
		g.do("POST", "/system/scale-function/none?namespace=default", body).want("scale of none", 404)
	}
}

// remove: one DELETE, where 404 is an error; remove -f ignores it. deploy --replace: DELETE, then POST.
func remove(g *gateway, _ string) {
	gone := map[string]string{"functionName": "probe", "namespace": "openfaas-fn"}
	g.do("DELETE", "/system/functions", gone).want("remove", 200, 201, 202)
	g.do("DELETE", "/system/functions", gone).want("remove again", 404)
	until("calls find nothing", func() bool { return call(g, "POST", "/function/probe.openfaas-fn", "").status == 404 })
	g.do("DELETE", "/system/functions", gone)
	g.do("POST", "/system/functions", function).want("deploy --replace --update=false", 200, 202)
	ready(g, "probe")
	call(g, "POST", "/function/probe.openfaas-fn", fmt.Sprint(time.Now())).want("invoke", 200)
}
