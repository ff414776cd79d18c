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
	conns    connectionGauge
	show     http.Handler
}

func newMetrics(h *HTTP) *metrics {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "ratchet_http_requests_total",
			Help: "HTTP requests answered, by status."}, []string{"status"}),
		calls: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "ratchet_tool_calls_total",
			Help: "Tool calls answered, by tool and code (ok, or the code of the error)."}, []string{"tool", "code"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "ratchet_tool_call_seconds",
			Help: "How long tool calls took, waits for runs included.", Buckets: []float64{.005, .01, .025, .05, .1,
				.25, .5, 1, 2.5, 5, 10, 25, 50}}, []string{"tool"}),
		sessions: prometheus.NewCounter(prometheus.CounterOpts{Name: "ratchet_sessions_opened_total",
			Help: "MCP sessions that were initialised."}),
		append: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "ratchet_ledger_append_seconds",
			Help: "How long this server's appends to ledgers took until they were durable, the wait for the lock included.", Buckets: ledgerBuckets()}),
		wait: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "ratchet_ledger_wait_seconds",
			Help:    "How long this server's transactions with ledgers, reads too, waited for the lock.",
			Buckets: ledgerBuckets()}),
	}
	gauge := func(name, help string, f func() int) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help},
			func() float64 { return float64(f()) })
	}
	reg := prometheus.NewRegistry()
	reg.MustRegister(m.requests, m.calls, m.seconds, m.sessions, m.append, m.wait,
		gauge("ratchet_sessions", "MCP sessions seen within the last hour, the newest 1,024.", h.sessions.Len),
		gauge("ratchet_laboratories", "Pairs of client and checkout that are kept open.", h.labs.Len),
		gauge("ratchet_requests_in_flight", "Requests of MCP and of the dashboard under way.",
			func() int { return len(h.calls) }),
		gauge("ratchet_streams", "Streams of subscriptions/listen and of the dashboard.",
			func() int { return len(h.streams) }),
		gauge("ratchet_connections", "TCP connections.", m.conns.len))
	m.show = promhttp.HandlerFor(reg, promhttp.HandlerOpts{DisableCompression: true})

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

func (m *metrics) serve(out *reply, r *http.Request) { m.show.ServeHTTP(out, r) }

// connectionGauge watches a server's connections. Beyond max the one that has been idle,
// or silent since it came, for longest has to go.
type connectionGauge struct {
	max int

	mu    sync.Mutex
	conns map[net.Conn]time.Time // since when it is idle; zero: busy
}

// limitConnections is the connections, at most limit.
func (m *metrics) limitConnections(limit int) *connectionGauge {
	m.conns.max = limit
	return &m.conns
}

// track is told of every change of a connection's state (http.Server.ConnState).
func (c *connectionGauge) track(conn net.Conn, state http.ConnState) {
	c.mu.Lock()
	if c.conns == nil {
		c.conns = map[net.Conn]time.Time{}
	}
	var out net.Conn

	switch state {
	case http.StateNew:
		if len(c.conns) >= c.max {
			out = c.longestIdle(conn)
		}

		if out != conn {
			c.conns[conn] = time.Now()
		}
	case http.StateIdle:
		c.conns[conn] = time.Now()
	case http.StateActive:
		c.conns[conn] = time.Time{}
	default:
		delete(c.conns, conn)
	}
	delete(c.conns, out)
	c.mu.Unlock()

	if out != nil {
		_ = out.Close()
	}
}

// longestIdle is the connection to close, newcomer if all others are busy.
func (c *connectionGauge) longestIdle(newcomer net.Conn) net.Conn {
	out, since := newcomer, time.Now()
	for conn, t := range c.conns {
		if !t.IsZero() && t.Before(since) {
			out, since = conn, t
		}
	}

	return out
}

func (c *connectionGauge) len() int {
	c.mu.Lock()
	defer c.mu.Unlock()

	return len(c.conns)
}
