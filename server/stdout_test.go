package server_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"log/slog"
	"os"
	"os/exec"
	"runtime/debug"
	"strings"
	"testing"

	"ratchet/internal/checkout"
	"ratchet/server"
)

// TestStdoutHelper is not a test: it is the process that TestStdout starts, a
// server on the real standard streams whose laboratory makes all the noise that
// a defect could.
func TestStdoutHelper(t *testing.T) {
	trouble := os.Getenv("STDOUT_HELPER")
	if trouble == "" {
		t.Skip("started by TestStdout")
	}

	s := server.New(server.Options{Version: "1", Log: slog.New(slog.NewTextHandler(os.Stderr, nil)),
		Open: func(context.Context, string, string) (*checkout.Checkout, error) {
			log.Print("NOISE by log")
			slog.Error("NOISE by slog")
			println("NOISE by println")
			debug.PrintStack()

			switch trouble {
			case "panic in a call":
				panic("NOISE by a panic\n{}")
			case "panic elsewhere":
				done := make(chan bool)
				go func() { defer close(done); panic("NOISE by a panic") }()
				<-done
			}

			return nil, fmt.Errorf("NOISE by an error\n{}")
		}})
	if err := s.ServeStdio(context.Background(), os.Stdin, os.Stdout); err != nil {
		os.Exit(3)
	}
	os.Exit(0) // before the test framework speaks
}

// Whatever goes wrong in a call, and wherever something panics, standard output
// carries the answers and nothing else.
func TestStdout(t *testing.T) {
	t.Parallel()

	for trouble, answers := range map[string]int{"an error": 4, "panic in a call": 4, "panic elsewhere": 2} {
		t.Run(trouble, func(t *testing.T) {
			t.Parallel()
			cmd := exec.Command(os.Args[0], "-test.run=^TestStdoutHelper$")

			cmd.Env = append(os.Environ(), "STDOUT_HELPER="+trouble, "GODEBUG=gctrace=1", "GOTRACEBACK=all")
			var out, said strings.Builder
			cmd.Stdout, cmd.Stderr = &out, &said

			in, err := cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}

			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}

			for _, line := range []string{hello, ready, `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`,
				tool(2, "keep", `{}`), tool(3, "no such tool", `{}`)} {
				_, _ = fmt.Fprintln(in, line) // it may be dead already
			}
			in.Close()

			if err := cmd.Wait(); (err != nil) != (trouble == "panic elsewhere") {
				t.Errorf("it ended with %v", err)
			}

			if n := strings.Count(said.String(), "NOISE"); n < 3 {
				t.Errorf("standard error has %d NOISE: nothing was tried\n%s", n, &said)
			}
			lines := 0

			for line := range strings.Lines(out.String()) {
				var m message
				if json.Unmarshal([]byte(line), &m) != nil || m.JSONRPC != "2.0" || strings.Contains(line, "NOISE") ||
					!strings.HasSuffix(line, "\n") {
					t.Errorf("standard output carries %.300q", line)
				}

				if m.ID != nil { // else it is a log message
					lines++
				}
			}

			if lines < answers-1 || lines > 4 {
				t.Errorf("%d answers, want %d", lines, answers)
			}
		})
	}
}
