// Command heavy links packages with much to initialise beside the stage.
package main

import (
	"encoding/json"
	"net/http"
	"regexp"

	"go.yaml.in/yaml/v4"

	_ "ratchet/sandbox/stage"
)

func main() {
	_, _ = json.Marshal(http.Header{})
	_, _ = yaml.Marshal(regexp.MustCompile("x").String())
}
