// What `harness/scenario.py` is for Python: a check prints one JSON object, a failed one is recorded and the program goes on.
package main

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"
)

const reasonBytes = 3000

var failed int

func bucketName(purpose string) string {
	random := make([]byte, 6)
	_, _ = rand.Read(random)
	return fmt.Sprintf("%s-%x", purpose, random)
}

func check(name string, body func() error) {
	started := time.Now()
	result := map[string]any{"check": name, "reason": nil}
	if err := body(); err != nil {
		failed++
		reason := err.Error()
		if secret := os.Getenv("AWS_SECRET_ACCESS_KEY"); secret != "" {
			reason = strings.ReplaceAll(reason, secret, "[secret]")
		}
		result["reason"] = reason[:min(len(reason), reasonBytes)]
	}
	result["seconds"] = time.Since(started).Seconds()
	line, _ := json.Marshal(result)
	fmt.Println(string(line))
}

// same is an error that has both values, unless they are equal.
func same[T comparable](found, wanted T) error {
	if found != wanted {
		return fmt.Errorf("found %v, wanted %v", found, wanted)
	}
	return nil
}

// first is the first error of several, for checks that look at more than one thing.
func first(all ...error) error {
	for _, err := range all {
		if err != nil {
			return err
		}
	}
	return nil
}

func finish() {
	if failed > 0 {
		os.Exit(1)
	}
}
