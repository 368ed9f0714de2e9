// An HTTPS server and its client in one static program: 50 requests at a time as streams of one HTTP/2 connection, then 50 over
// HTTP/1.1 for a file, which Go sends with sendfile, through a forwarder, which moves octets with splice.
package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

const requests = 50

func check(err error) {
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

// A certificate for the name localhost, and the pool that trusts it.
func certificate() (tls.Certificate, *x509.CertPool) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: "localhost"},
		DNSNames:     []string{"localhost"},
		NotAfter:     time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	check(err)
	parsed, err := x509.ParseCertificate(der)
	check(err)
	pool := x509.NewCertPool()
	pool.AddCert(parsed)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

// Counts the connections that a listener accepts.
type counted struct {
	net.Listener
	count *int32
}

func (listener counted) Accept() (net.Conn, error) {
	connection, err := listener.Listener.Accept()
	if err == nil {
		atomic.AddInt32(listener.count, 1)
	}
	return connection, err
}

// Makes all requests at once; the number that were answered as they should be.
func all(request func(n int) bool) int32 {
	var good int32
	var group sync.WaitGroup
	for n := 0; n < requests; n++ {
		group.Add(1)
		go func(n int) {
			defer group.Done()
			if request(n) {
				atomic.AddInt32(&good, 1)
			}
		}(n)
	}
	group.Wait()
	return good
}

// The server answers a text with its digest, then the text, when it has seen 50 requests: one that waits for another would wait
// for ever.
func overHTTP2() {
	var arrived sync.WaitGroup
	arrived.Add(requests)
	handler := func(w http.ResponseWriter, r *http.Request) {
		arrived.Done()
		arrived.Wait()
		text, err := io.ReadAll(r.Body)
		check(err)
		digest := sha256.Sum256(text)
		w.Header().Set("Digest", fmt.Sprintf("%x", digest))
		w.Write(text)
	}
	listener, err := net.Listen("tcp", "localhost:0")
	check(err)
	own, pool := certificate()
	var connections int32
	server := &http.Server{Handler: http.HandlerFunc(handler), TLSConfig: &tls.Config{Certificates: []tls.Certificate{own}}}
	go server.ServeTLS(counted{listener, &connections}, "", "")

	client := &http.Client{Transport: &http.Transport{
		TLSClientConfig:   &tls.Config{RootCAs: pool},
		ForceAttemptHTTP2: true,
		MaxConnsPerHost:   1,
	}}
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	good := all(func(n int) bool {
		text := bytes.Repeat([]byte{byte(n)}, 64<<10+n)
		response, err := client.Post("https://localhost:"+port+"/", "text/plain", bytes.NewReader(text))
		check(err)
		defer response.Body.Close()
		answer, err := io.ReadAll(response.Body)
		check(err)
		digest := fmt.Sprintf("%x", sha256.Sum256(text))
		return response.ProtoMajor == 2 && bytes.Equal(answer, text) && response.Header.Get("Digest") == digest
	})
	fmt.Println("HTTP/2", good, "on", atomic.LoadInt32(&connections))
	check(server.Close())
}

// Passes connections on to an address, both ways, each end by itself.
func forward(listener net.Listener, to string) {
	for {
		incoming, err := listener.Accept()
		if err != nil {
			return
		}
		go func() {
			outgoing, err := net.Dial("tcp", to)
			check(err)
			go func() {
				io.Copy(outgoing, incoming)
				outgoing.(*net.TCPConn).CloseWrite()
			}()
			io.Copy(incoming, outgoing)
			incoming.Close()
			outgoing.Close()
		}()
	}
}

func overHTTP1() {
	file, err := os.CreateTemp("", "portolan")
	check(err)
	defer os.Remove(file.Name())
	text := make([]byte, 1<<20)
	rand.Read(text)
	_, err = file.Write(text)
	check(err)
	server, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	go http.Serve(server, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.ServeFile(w, r, file.Name())
	}))
	front, err := net.Listen("tcp", "[::1]:0")
	check(err)
	go forward(front, server.Addr().String())
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	good := all(func(int) bool {
		response, err := client.Get("http://" + front.Addr().String())
		check(err)
		defer response.Body.Close()
		answer, err := io.ReadAll(response.Body)
		check(err)
		return bytes.Equal(answer, text)
	})
	fmt.Println("file", good)
}

func main() {
	overHTTP2()
	overHTTP1()
}
