package main_test

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// first are what the dashboard asks for when it is opened, and how many bytes an
// answer may have, whatever the ledger's size.
var first = map[string]int{"repos": 2_000, "state": 40_000, "progress?limit=2000": 900_000, "experiments": 60_000,
	"program": 5_000}

// pace keeps the requests below what one token may make in a second, 50, also
// where five come at once.
const pace = 110 * time.Millisecond

// looks times the dashboard's requests, one by one and the first ones together.
func (g *garden) looks(t *testing.T, k int) (rows []timed) {
	v := g.s.serve(g.token)

	g.token = v.token // the first server made it
	defer v.kill()
	row := func(what string, limit int, f func() int) {
		r := timed{what: "dashboard: " + what}
		var wall, cpu []float64

		for range k {
			time.Sleep(pace)
			m := measure(func() { r.text = f() })
			wall, cpu = append(wall, ms(m.wall)), append(cpu, ms(m.cpu))
		}
		slices.Sort(wall)
		slices.Sort(cpu)
		r.wall, r.cpu = wall[k/2], cpu[k/2]

		rows = append(rows, r)
		if r.text > limit {
			t.Errorf("%s: %d bytes of %d allowed", r.what, r.text, limit)
		}
	}

	all, total := []string{}, 0
	for what, limit := range first {
		all, total = append(all, what), total+limit
	}
	slices.Sort(all)
	row("all first requests together", total, func() int {
		var mu sync.Mutex
		var done sync.WaitGroup
		sum := 0

		for _, what := range all {
			done.Go(func() {
				n := v.look(g.s.dir, what)
				mu.Lock()
				defer mu.Unlock()
				sum += n
			})
		}
		done.Wait()

		return sum
	})

	for _, what := range all {
		row(what, first[what], func() int { return v.look(g.s.dir, what) })
	}

	for what, limit := range map[string]int{"experiments?query=vectorize": 60_000,
		"experiments?query=vectorize%20profile%2078": 60_000, "experiments?verdict=improved": 60_000,
		"experiments/2": 20_000, "output?id=x2": 2_000} {
		row(what, limit, func() int { return v.look(g.s.dir, what) })
	}

	return rows
}

// look asks the dashboard's API, and returns the size of its answer.
func (v *served) look(repo, what string) int {
	sep := "?"
	if strings.Contains(what, "?") {
		sep = "&"
	}

	req, err := http.NewRequest("GET", strings.TrimSuffix(v.url,
		"/mcp")+"/ui/api/"+what+sep+"repo="+url.QueryEscape(repo), nil)
	if err != nil {
		v.t.Error(err)
		return 0
	}
	req.Header.Set("Authorization", "Bearer "+v.token)

	res, err := v.http.Do(req)
	if err != nil {
		v.t.Error(err)
		return 0
	}
	defer res.Body.Close()

	b, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != 200 {
		v.t.Error(fmt.Errorf("%s: %d %s %w", what, res.StatusCode, b, err))
	}

	return len(b)
}
