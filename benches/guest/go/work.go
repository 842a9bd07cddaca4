// CPU-bound work: structures, maps, sorting, hashing and what they leave to the collector. Prints its name and nanoseconds for
// each byte it reads.
package main

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"sort"
	"strconv"
	"time"
)

type body struct{ place, speed float64 }

func work() int {
	bodies := make([]*body, 2000)
	for i := range bodies {
		bodies[i] = &body{float64(i), float64(-i)}
	}
	for round := 0; round < 400; round++ {
		for _, b := range bodies {
			b.place += b.speed * 0.01
			b.speed -= b.place * 0.01
		}
	}
	words := map[string]int{}
	for i := 0; i < 200000; i++ {
		words["w"+strconv.Itoa(i*7919%5003)]++
	}
	names := make([]string, 0, len(words))
	for name := range words {
		names = append(names, name)
	}
	sort.Strings(names)
	text, _ := json.Marshal(words)
	total := len(names)
	for i := 0; i < 20; i++ {
		var back map[string]int
		if json.Unmarshal(text, &back) != nil {
			panic("its own text cannot be read")
		}
		sum := sha256.Sum256(text)
		total += len(back) + int(sum[0])
	}
	return total
}

func main() {
	one := make([]byte, 1)
	for {
		if count, _ := os.Stdin.Read(one); count == 0 {
			return
		}
		before := time.Now()
		work()
		fmt.Println("go", time.Since(before).Nanoseconds())
	}
}
