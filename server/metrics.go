package server

import (
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"ratchet/ledger"
)

// metrics are what /metrics shows, in a registry of their own.
type metrics struct {
	requests *prometheus.CounterVec
	calls    *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	sessions prometheus.Counter
	append   prometheus.Histogram
	wait     prometheus.Histogram
	handler  http.Handler

	connections connectionGauge
}

func newMetrics(h *HTTP) *metrics {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ratchet_http_requests_total",
			Help: "HTTP requests answered, by status.",
		}, []string{"status"}),
		calls: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ratchet_tool_calls_total",
			Help: "Tool calls answered, by tool and code (ok, or the code of the error).",
		}, []string{"tool", "code"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "ratchet_tool_call_seconds",
			Help:    "How long tool calls took, waits for runs included.",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 25, 50},
		}, []string{"tool"}),
		sessions: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "ratchet_sessions_opened_total",
			Help: "MCP sessions that were initialised.",
		}),
		append: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "ratchet_ledger_append_seconds",
			Help: "How long this server's appends to ledgers took until they were durable, " +
				"the wait for the lock included.",
			Buckets: ledgerBuckets(),
		}),
		wait: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "ratchet_ledger_wait_seconds",
			Help:    "How long this server's transactions with ledgers, reads too, waited for the lock.",
			Buckets: ledgerBuckets(),
		}),
	}

	registry := prometheus.NewRegistry()
	registry.MustRegister(m.requests, m.calls, m.seconds, m.sessions, m.append, m.wait)

	addGauge := func(name, help string, read func() int) {
		registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help},
			func() float64 { return float64(read()) }))
	}
	addGauge("ratchet_sessions", "MCP sessions seen within the last hour, the newest 1,024.", h.sessions.Len)
	addGauge("ratchet_laboratories", "Pairs of client and checkout that are kept open.", h.labs.Len)
	addGauge("ratchet_requests_in_flight", "Requests of MCP and of the dashboard under way.",
		func() int { return len(h.calls) })
	addGauge("ratchet_streams", "Streams of subscriptions/listen and of the dashboard.",
		func() int { return len(h.streams) })
	addGauge("ratchet_connections", "TCP connections.", m.connections.countOpen)

	m.handler = promhttp.HandlerFor(registry, promhttp.HandlerOpts{DisableCompression: true})

	return m
}

// ledgerBuckets reach from an undisturbed transaction to the lock's patience, in seconds.
func ledgerBuckets() []float64 {
	return []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 5, 30}
}

// Observe counts a transaction with a ledger that this server made
// (lab.Options.Observe).
func (h *HTTP) Observe(t ledger.Timing) {
	h.metrics.wait.Observe(t.Waited.Seconds())

	if t.Appended {
		h.metrics.append.Observe(t.Took.Seconds())
	}
}

func (m *metrics) countRequest(status int) { m.requests.WithLabelValues(strconv.Itoa(status)).Inc() }

func (m *metrics) countCall(tool, code string, took time.Duration) {
	m.calls.WithLabelValues(tool, code).Inc()
	m.seconds.WithLabelValues(tool).Observe(took.Seconds())
}

func (m *metrics) serveMetrics(out *reply, r *http.Request) { m.handler.ServeHTTP(out, r) }

// connectionGauge counts a server's connections. Of more than max it closes the
// one that has been idle, or silent since it came, for longest.
type connectionGauge struct {
	max int

	mu        sync.Mutex
	idleSince map[net.Conn]time.Time // zero: busy
}

// limitConnections sets how many connections there may be.
func (m *metrics) limitConnections(limit int) *connectionGauge {
	m.connections.max = limit
	m.connections.idleSince = map[net.Conn]time.Time{}

	return &m.connections
}

// trackState follows a connection's state (http.Server.ConnState).
func (g *connectionGauge) trackState(conn net.Conn, state http.ConnState) {
	if surplus := g.setState(conn, state); surplus != nil {
		_ = surplus.Close()
	}
}

// setState notes a connection's state. It returns the connection that has to be
// closed for it, nil if there is none.
func (g *connectionGauge) setState(conn net.Conn, state http.ConnState) (surplus net.Conn) {
	g.mu.Lock()
	defer g.mu.Unlock()

	switch state {
	case http.StateNew:
		if len(g.idleSince) >= g.max {
			surplus = g.longestIdle(conn)
		}
		g.idleSince[conn] = time.Now()
	case http.StateIdle:
		g.idleSince[conn] = time.Now()
	case http.StateActive:
		g.idleSince[conn] = time.Time{}
	default:
		delete(g.idleSince, conn)
	}
	delete(g.idleSince, surplus)

	return surplus
}

// longestIdle is the connection to close, newcomer if all others are busy.
func (g *connectionGauge) longestIdle(newcomer net.Conn) net.Conn {
	longest, since := newcomer, time.Now()

	for conn, t := range g.idleSince {
		if !t.IsZero() && t.Before(since) {
			longest, since = conn, t
		}
	}

	return longest
}

func (g *connectionGauge) countOpen() int {
	g.mu.Lock()
	defer g.mu.Unlock()

	return len(g.idleSince)
}
