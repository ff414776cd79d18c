package server

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"
)

// callState is what a call of 2026-07-28 takes with it when it is answered with
// what is needed, and brings back. It is sealed with a key of this process: an
// answer counts only to a question that this server asked this client, not too
// long ago. A server that was started anew asks again.
type callState struct {
	Tool     string    `json:"t"`
	Who      string    `json:"w"`
	Until    time.Time `json:"u"`
	Decision *decision `json:"d,omitempty"` // nil: for roots
}

func newSealKey() []byte {
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails

	return key
}

func (s *Server) seal(v callState) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // strings and a time always encode
	}
	enc := base64.RawURLEncoding

	return enc.EncodeToString(b) + "." + enc.EncodeToString(s.mac(b))
}

func (s *Server) mac(b []byte) []byte {
	h := hmac.New(sha256.New, s.sealKey())
	h.Write(b)

	return h.Sum(nil)
}

// unseal opens what seal made for this tool and client, while it holds.
func (s *Server) unseal(state, tool, who string) (v callState, ok bool) {
	enc := base64.RawURLEncoding
	text, sum, found := strings.Cut(state, ".")
	b, err := enc.DecodeString(text)

	m, merr := enc.DecodeString(sum)
	if !found || err != nil || merr != nil || !hmac.Equal(m, s.mac(b)) || json.Unmarshal(b, &v) != nil {
		return callState{}, false
	}

	return v, v.Tool == tool && v.Who == who && time.Now().Before(v.Until)
}
