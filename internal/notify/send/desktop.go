package send

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"runtime"
	"strings"

	"ratchet/internal/wording"
)

// Desktop shows the message on this machine's screen, by the program that its
// system has for that: notify-send, or osascript on macOS. The error is final.
func Desktop(ctx context.Context, message Message) error {
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()

	name, err := Notifier()
	if err != nil {
		return err
	}

	args := []string{"--app-name=ratchet", "--", message.Title(), message.Lines()}
	if strings.HasSuffix(name, "osascript") { // the texts are arguments, never part of the script
		args = []string{"-e", "on run argv", "-e", "display notification (item 2 of argv) with title (item 1 of argv)",
			"-e", "end run", message.Title(), message.Lines()}
	}
	cmd := exec.CommandContext(ctx, name, args...)

	out, err := cmd.CombinedOutput()
	if err != nil {
		said := wording.FirstLine(strings.TrimSpace(string(out)))
		return fmt.Errorf("%s failed: %w: %.200s", name, err, said)
	}

	return nil
}

// Notifier is the program that shows notifications here.
func Notifier() (string, error) {
	name, from := "notify-send", "the package libnotify-bin has it"
	if runtime.GOOS == "darwin" {
		name, from = "osascript", "it is part of macOS"
	}

	path, err := exec.LookPath(name)
	if err != nil {
		return "", errors.New("there is no " + name + " on this machine: " + from)
	}

	return path, nil
}
