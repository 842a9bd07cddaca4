// Opens a connection with the client that the path names, and answers what came over it. With KEEP in the environment,
// clients that were used before the server listened are used again at /kept/NAME.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/go-redis/v9"
)

const authority = "/run/secrets/peers/ca.crt"

func withPgx(ctx context.Context) (any, error) {
	connection, err := pgx.Connect(ctx, "postgres://caller:secret@db.test/caller?sslmode=verify-full&sslrootcert="+authority)
	if err != nil {
		return nil, err
	}
	defer connection.Close(ctx)
	var answer int
	err = connection.QueryRow(ctx, "SELECT 6 * 7").Scan(&answer)
	return answer, err
}

func withRedis(ctx context.Context) (any, error) {
	client := redis.NewClient(&redis.Options{Addr: "redis.test:6379"})
	defer client.Close()
	return client.Eval(ctx, "return 6 * 7", nil).Result()
}

func get(url string, roots *x509.CertPool) (any, error) {
	return getWith(&http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}, url)
}

func getWith(transport *http.Transport, url string) (any, error) {
	answer, err := (&http.Client{Transport: transport}).Get(url)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	return string(text), err
}

func withHTTPS(context.Context) (any, error) {
	pem, err := os.ReadFile(authority)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	return get("https://web.test/answer", roots)
}

func withHTTP(context.Context) (any, error) {
	return get("http://web.test/answer", nil)
}

func withDNS(ctx context.Context) (any, error) {
	found, err := net.DefaultResolver.LookupHost(ctx, "web.test")
	if err == nil && len(found) == 2 {
		return 42, nil
	}
	return found, err
}

// Clients with a connection that each is, by the paths of their calls.
func keep(clients map[string]func(context.Context) (any, error)) error {
	pool, err := pgxpool.New(context.Background(), "postgres://caller:secret@db.test/caller?sslmode=disable")
	if err != nil {
		return err
	}
	cache := redis.NewClient(&redis.Options{Addr: "redis.test:6379"})
	clients["kept/pgx"] = func(ctx context.Context) (any, error) {
		var answer int
		err := pool.QueryRow(ctx, "SELECT 6 * 7").Scan(&answer)
		return answer, err
	}
	clients["kept/redis"] = func(ctx context.Context) (any, error) {
		return cache.Eval(ctx, "return 6 * 7", nil).Result()
	}
	transport := &http.Transport{}
	clients["kept/http"] = func(context.Context) (any, error) { return getWith(transport, "http://web.test/answer") }
	for _, name := range []string{"pgx", "redis", "http"} {
		if _, err := clients["kept/"+name](context.Background()); err != nil {
			return err
		}
	}
	return nil
}

func main() {
	clients := map[string]func(context.Context) (any, error){
		"pgx": withPgx, "redis": withRedis, "https": withHTTPS, "http": withHTTP, "dns": withDNS,
	}
	if os.Getenv("KEEP") != "" {
		if err := keep(clients); err != nil {
			panic(err)
		}
	}
	http.HandleFunc("/", func(answer http.ResponseWriter, request *http.Request) {
		result, err := clients[strings.Trim(request.URL.Path, "/")](request.Context())
		if err != nil {
			http.Error(answer, err.Error(), http.StatusInternalServerError)
			return
		}
		fmt.Fprint(answer, result)
	})
	if err := http.ListenAndServe(":"+os.Getenv("PORT"), nil); err != nil {
		panic(err)
	}
}
