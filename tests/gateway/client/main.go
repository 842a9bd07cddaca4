// Drives a gateway as each command of OpenFaaS' own client does: the same requests in the same order, the same statuses taken
// for success, the same fields read.
//
//	client URL USER PASSWORD IMAGE
package main

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"
)

func main() {
	check(len(os.Args) == 5, "usage: client URL USER PASSWORD IMAGE")
	g := &gateway{os.Args[1], os.Args[2], os.Args[3], &http.Client{Timeout: time.Minute}}
	image := os.Args[4]
	for _, command := range []struct {
		name string
		run  func(*gateway, string)
	}{
		{"login", login},
		{"version, ready", version},
		{"secrets", secrets},
		{"namespaces", namespaces},
		{"refusals", refusals},
		{"deploy", deploy},
		{"invoke", invoke},
		{"list, describe", list},
		{"logs", logs},
		{"scale", scale},
		{"remove", remove},
	} {
		command.run(g, image)
		fmt.Println("ok", command.name)
	}
}

// login: GET of the functions; only the status counts.
func login(g *gateway, _ string) {
	for _, authorization := range []string{"", "Bearer", "Bearer ", "Basic YWRtaW46d3Jvbmc="} {
		request := g.request("GET", "/system/functions", nil)
		if authorization != "" {
			request.Header.Set("Authorization", authorization)
		}
		refused := g.send(request).want("login "+authorization, 401)
		challenge := refused.header.Get("WWW-Authenticate")
		check(challenge == `Basic realm="Restricted"`, "challenge: %s", challenge)
	}
	for _, path := range []string{"/system/info", "/system/secrets", "/system/logs?name=f", "/system/none"} {
		g.send(g.request("GET", path, nil)).want(path+" without login", 401)
	}
	g.do("GET", "/system/functions", nil).want("login", 200)
	page := g.request("GET", "/system/functions", nil)
	page.SetBasicAuth(g.user, g.password)
	page.Header.Set("Sec-Fetch-Site", "same-origin")
	g.send(page).want("a page of a function", 403)
}

// version: every object must be there. ready: exactly 200.
func version(g *gateway, _ string) {
	var found info
	g.do("GET", "/system/info", nil).want("info", 200).read("info", &found)
	check(found.Provider != nil && found.Provider.Version != nil && found.Version != nil, "info lacks an object: %+v", found)
	check(found.Provider.Provider != "" && found.Provider.Orchestration != "" && found.Arch != "", "info: %+v", found)
	check(found.Version.Release != "" && found.Provider.Version.Release != "", "info: %+v", found)
	g.send(g.request("GET", "/healthz", nil)).want("ready", 200)
	g.send(g.request("HEAD", "/healthz", nil)).want("ready", 200)
}

func secretNames(g *gateway, namespace string) map[string]string {
	var found []secret
	g.do("GET", "/system/secrets?namespace="+namespace, nil).want("secret list", 200, 202).read("secret list", &found)
	names := map[string]string{}
	for _, one := range found {
		check(one.Value == "" && one.RawValue == nil, "a value came out: %+v", one)
		names[one.Name] = one.Namespace
	}
	return names
}

func secrets(g *gateway, _ string) {
	// create --from-file: both forms of the value, one of them trimmed.
	token := secret{Name: "token", Value: "one", RawValue: []byte("one\n")}
	g.do("POST", "/system/secrets", token).want("secret create", 200, 201, 202)
	g.do("POST", "/system/secrets", token).want("secret create again", 409)
	// create --replace: PUT after the 409. update: only a value.
	g.do("PUT", "/system/secrets", token).want("secret create --replace", 200, 202)
	g.do("PUT", "/system/secrets", secret{Name: "token", Value: "two"}).want("secret update", 200, 202)
	g.do("PUT", "/system/secrets", secret{Name: "none", Value: "x"}).want("secret update of none", 404)
	check(secretNames(g, "openfaas-fn")["token"] == "default", "secret list")
	// apply: list, per file DELETE where name and namespace match, POST, PUT on 409.
	for _, one := range []secret{{Name: "token", Value: "three"}, {Name: "other", Namespace: "team", Value: "x"}} {
		if namespace, there := secretNames(g, one.Namespace)[one.Name]; there && namespace == one.Namespace {
			g.do("DELETE", "/system/secrets", one).want("secret apply", 200, 202)
		}
		if g.do("POST", "/system/secrets", one).want("secret apply", 200, 201, 202, 409).status == 409 {
			g.do("PUT", "/system/secrets", one).want("secret apply", 200, 202)
		}
	}
	_, there := secretNames(g, "team")["other"]
	check(there, "secret of another namespace")
	g.do("DELETE", "/system/secrets", secret{Name: "other", Namespace: "team"}).want("secret remove", 200, 202)
	g.do("DELETE", "/system/secrets", secret{Name: "other", Namespace: "team"}).want("secret remove again", 404)
	for _, wrong := range []secret{{Name: "../x", Value: "x"}, {Name: "", Value: "x"}, {Name: "x"}, {Name: "x", Namespace: "a/b", Value: "x"}} {
		g.do("POST", "/system/secrets", wrong).want(fmt.Sprintf("secret %+v", wrong), 400)
	}
	// What the operator keeps beside the documents is nobody's here.
	_, there = secretNames(g, "")["operators"]
	check(!there, "a secret without the label is listed")
	g.do("POST", "/system/secrets", secret{Name: "operators", Value: "x"}).want("a name that is taken", 409)
	g.do("PUT", "/system/secrets", secret{Name: "operators", Value: "x"}).want("another's secret", 404)
	g.do("DELETE", "/system/secrets", secret{Name: "operators"}).want("another's secret", 404)
}

func namespaces(g *gateway, _ string) {
	var found []string
	g.do("GET", "/system/namespaces", nil).want("namespace list", 200).read("namespace list", &found)
	check(len(found) > 0 && found[0] == "default", "namespaces: %v", found)
	var one struct{ Name string }
	g.do("GET", "/system/namespace/default", nil).want("namespace get", 200).read("namespace get", &one)
	check(one.Name == "default", "namespace: %+v", one)
	g.do("GET", "/system/namespace/none", nil).want("namespace get none", 404)
	// The trailing slash is the client's.
	body := map[string]any{"name": "x", "labels": map[string]string{"openfaas": "1"}}
	g.do("POST", "/system/namespace/", body).want("namespace create", 501)
	g.do("PUT", "/system/namespace/x", body).want("namespace update", 501)
	g.do("DELETE", "/system/namespace/x", body).want("namespace remove", 501)
}

func refusals(g *gateway, image string) {
	empty := map[string]string{}
	for what, wrong := range map[string]deployment{
		"name":       {Service: "Not_A_Name", Image: image},
		"dots":       {Service: "a.b", Image: image},
		"image":      {Service: "f"},
		"local":      {Service: "f", Image: "dir:/etc"},
		"secret":     {Service: "f", Image: image, Secrets: []string{"none"}},
		"operators":  {Service: "f", Image: image, Secrets: []string{"operators"}},
		"constraint": {Service: "f", Image: image, Constraints: []string{"node.role == worker"}},
		"gpu":        {Service: "f", Image: image, Limits: &resources{GPU: "1"}},
		"memory":     {Service: "f", Image: image, Limits: &resources{Memory: "lots"}},
		"namespace":  {Service: "f", Image: image, Namespace: "system"},
	} {
		wrong.Labels, wrong.Annotations = empty, empty
		refused := g.do("POST", "/system/functions", wrong).want("deploy with a wrong "+what, 400)
		check(len(refused.body) > 10, "%s: no text", what)
	}
	g.do("POST", "/system/functions", "no object").want("deploy of no object", 400)
	long := deployment{Service: "f", Image: image, EnvVars: map[string]string{"LONG": strings.Repeat("x", 5<<20)}}
	g.do("POST", "/system/functions", long).want("deploy of a document that is too long", 413)
	g.do("PATCH", "/system/functions", nil).want("a method that is none", 405)
	g.do("GET", "/system/none", nil).want("a path that is none", 404)
}
