package server

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"strings"
	"sync"
	"time"
)

// callState is what a call of 2026-07-28 takes with it when it is answered with
// what is needed, and brings back. It is sealed with a key of this process: an
// answer counts only to a question that this server asked this client, not too
// long ago. A server that was started again asks again.
type callState struct {
	Tool     string    `json:"t"`
	Session  string    `json:"w"` // sessionKeyOf
	Until    time.Time `json:"u"`
	Decision *decision `json:"d,omitempty"` // nil: for roots
}

// sealer makes callStates into texts that only it can have made.
type sealer struct {
	key func() []byte // made when it is first needed
}

func newSealer() sealer {
	return sealer{key: sync.OnceValue(func() []byte {
		key := make([]byte, 32)
		_, _ = rand.Read(key) // never fails

		return key
	})}
}

func (s sealer) sealState(state callState) string {
	text, err := json.Marshal(state)
	if err != nil {
		panic(err) // strings and a time always encode
	}
	enc := base64.RawURLEncoding

	return enc.EncodeToString(text) + "." + enc.EncodeToString(s.computeSum(text))
}

func (s sealer) computeSum(text []byte) []byte {
	mac := hmac.New(sha256.New, s.key())
	mac.Write(text)

	return mac.Sum(nil)
}

// unseal opens what seal made for this tool and session, until it expires.
func (s sealer) unseal(sealed, tool, session string) (state callState, ok bool) {
	encodedText, encodedSum, found := strings.Cut(sealed, ".")
	if !found {
		return callState{}, false
	}

	text, err := base64.RawURLEncoding.DecodeString(encodedText)
	if err != nil {
		return callState{}, false
	}

	sum, err := base64.RawURLEncoding.DecodeString(encodedSum)
	if err != nil || !hmac.Equal(sum, s.computeSum(text)) || json.Unmarshal(text, &state) != nil {
		return callState{}, false
	}

	return state, state.Tool == tool && state.Session == session && time.Now().Before(state.Until)
}
