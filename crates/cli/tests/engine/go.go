// A static program with a runtime of its own: streams from fifty goroutines, UDP both ways, a refused connection, and
// with an argument a page by its name. Each line that it prints is an outcome.
package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"time"
)

func check(what string, err error) {
	if err != nil {
		fmt.Printf("%s: %v\n", what, err)
		os.Exit(1)
	}
}

func echo(listener net.Listener) {
	for {
		connection, err := listener.Accept()
		if err != nil {
			return
		}
		go func() {
			io.Copy(connection, connection)
			connection.Close()
		}()
	}
}

func streams(network, address string, count int) {
	listener, err := net.Listen(network, address)
	check("listen", err)
	go echo(listener)
	text := bytes.Repeat([]byte("portolan "), 10_000)
	outcomes := make(chan error)
	for i := 0; i < count; i++ {
		go func() {
			connection, err := net.Dial(network, listener.Addr().String())
			if err != nil {
				outcomes <- err
				return
			}
			go func() {
				connection.Write(text)
				connection.(*net.TCPConn).CloseWrite()
			}()
			got, err := io.ReadAll(connection)
			if err == nil && !bytes.Equal(got, text) {
				err = fmt.Errorf("%d octets came back", len(got))
			}
			connection.Close()
			outcomes <- err
		}()
	}
	for i := 0; i < count; i++ {
		check("stream", <-outcomes)
	}
	fmt.Println(network, count)
}

func datagrams() {
	server, err := net.ListenPacket("udp", "127.0.0.1:0")
	check("listen udp", err)
	go func() {
		buffer := make([]byte, 2000)
		for {
			n, from, err := server.ReadFrom(buffer)
			if err != nil {
				return
			}
			server.WriteTo(buffer[:n], from)
		}
	}()
	client, err := net.Dial("udp", server.LocalAddr().String())
	check("dial udp", err)
	client.SetDeadline(time.Now().Add(10 * time.Second))
	buffer := make([]byte, 2000)
	for i := 0; i < 100; i++ {
		text := fmt.Sprint("datagram ", i)
		_, err = client.Write([]byte(text))
		check("write udp", err)
		n, err := client.Read(buffer)
		check("read udp", err)
		if string(buffer[:n]) != text {
			check("echo udp", fmt.Errorf("%q", buffer[:n]))
		}
	}
	fmt.Println("udp 100")
}

func refused() {
	_, err := net.DialTimeout("tcp", "127.0.0.1:9", 5*time.Second)
	fmt.Println(err)
}

func page(host string) {
	connection, err := net.Dial("tcp", net.JoinHostPort(host, "80"))
	check("dial by name", err)
	fmt.Fprintf(connection, "GET /bytes/1M HTTP/1.0\r\nHost: %s\r\n\r\n", host)
	got, err := io.ReadAll(connection)
	check("read page", err)
	_, body, _ := bytes.Cut(got, []byte("\r\n\r\n"))
	fmt.Println("page", len(body))
}

func main() {
	streams("tcp4", "127.0.0.1:0", 50)
	streams("tcp6", "[::1]:0", 50)
	datagrams()
	refused()
	for _, host := range os.Args[1:] {
		page(host)
	}
}
