// Go's own reverse proxy before a list of backends, in turn: goproxy [-tuned] [-pooled] ADDRESS BACKEND...
package main

import (
	"crypto/rand"
	"encoding/hex"
	"flag"
	"log"
	"net/http"
	"net/http/httputil"
	"sync"
	"sync/atomic"
)

type buffers struct{ sync.Pool }

func (b *buffers) Get() []byte       { return *b.Pool.Get().(*[]byte) }
func (b *buffers) Put(buffer []byte) { b.Pool.Put(&buffer) }

func newBuffer() any {
	buffer := make([]byte, 32*1024)
	return &buffer
}

func newID() string {
	var drawn [16]byte
	rand.Read(drawn[:])
	return hex.EncodeToString(drawn[:])
}

func main() {
	tuned := flag.Bool("tuned", false, "keep enough connections")
	pooled := flag.Bool("pooled", false, "use the buffers again")
	flag.Parse()
	backends := flag.Args()[1:]
	var turn uint64
	proxy := &httputil.ReverseProxy{
		Director: func(r *http.Request) {
			r.URL.Scheme, r.URL.Host = "http", backends[atomic.AddUint64(&turn, 1)%uint64(len(backends))]
			r.Header.Set("X-Forwarded-Proto", "http")
			r.Header.Set("X-Forwarded-Host", r.Host)
			r.Header.Set("Via", "1.1 go")
			if r.Header.Get("X-Request-ID") == "" {
				r.Header.Set("X-Request-ID", newID())
			}
		},
		ModifyResponse: func(r *http.Response) error {
			r.Header.Set("X-Internal-Service", r.Request.URL.Host)
			r.Header.Set("X-Request-ID", r.Request.Header.Get("X-Request-ID"))
			return nil
		},
	}
	if *tuned {
		transport := http.DefaultTransport.(*http.Transport).Clone()
		transport.MaxIdleConns, transport.MaxIdleConnsPerHost, transport.DisableCompression = 0, 1024, true
		proxy.Transport = transport
	}
	if *pooled {
		proxy.BufferPool = &buffers{sync.Pool{New: newBuffer}}
	}
	log.Fatal(http.ListenAndServe(flag.Arg(0), proxy))
}
