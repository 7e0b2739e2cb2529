package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// measureStarts measures the time from making a process to its first answered
// request.
func (b *bench) measureStarts(ctx context.Context) error {
	t := b.table("Start to the first answered request", "≤ 50 ms, also with 10 million objects and after a crash.",
		"after a stop, ms", "from a cold disk cache, ms", "after kill -9 under writes, ms")
	for _, n := range b.sizes {
		dir, err := b.store(ctx, n)
		if err != nil {
			return err
		}
		figures := make([]float64, 0, 3)
		for _, begin := range []func(context.Context, string, int) (*process, error){b.afterStop, b.afterChill, b.afterCrash} {
			f, err := b.startAfter(ctx, dir, n, begin)
			if err != nil {
				return err
			}
			figures = append(figures, f)
		}
		t.add(showCount(n)+" objects", figures...)
	}
	return b.nginxStarts(ctx, t)
}

// startAfter returns the median time of starts in milliseconds. begin starts a
// server once it has brought about what is asked for.
func (b *bench) startAfter(ctx context.Context, dir string, n int, begin func(context.Context, string, int) (*process, error)) (float64, error) {
	var times []float64
	for range b.rounds {
		p, err := begin(ctx, dir, n)
		if err != nil {
			return 0, err
		}
		p.stop()
		times = append(times, milliseconds(p.started))
	}
	return median(times), nil
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func (b *bench) afterStop(ctx context.Context, dir string, n int) (*process, error) {
	return startServer(ctx, b.program, dir, b.first(n))
}

func (b *bench) afterChill(ctx context.Context, dir string, n int) (*process, error) {
	if err := chill(dir); err != nil {
		return nil, err
	}
	return startServer(ctx, b.program, dir, b.first(n))
}

// afterCrash starts a server that was killed while it was written to.
func (b *bench) afterCrash(ctx context.Context, dir string, n int) (*process, error) {
	p, err := startServer(ctx, b.program, dir, b.first(n))
	if err != nil {
		return nil, err
	}
	written := make(chan error, 1)
	go func() {
		_, err := b.round(p, works()[len(works())-1], n, uint64(time.Now().UnixNano()))
		written <- err
	}()
	select {
	case err := <-written:
		p.kill()
		if err != nil {
			return nil, err
		}
	case <-time.After(time.Second):
		p.kill()
		<-written // which fails, as the server is gone
	}
	return startServer(ctx, b.program, dir, b.first(n))
}

// nginxConfig serves the files of a directory: its address, and the directory
// three times.
const nginxConfig = `daemon off; worker_processes 1; pid %[2]s/pid; error_log %[2]s/error.log;
events { worker_connections 16384; }
http { access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000000; keepalive_timeout 3600;
client_max_body_size 1g; client_body_temp_path %[2]s/tmp; proxy_temp_path %[2]s/tmp; fastcgi_temp_path %[2]s/tmp;
uwsgi_temp_path %[2]s/tmp; scgi_temp_path %[2]s/tmp;
server { listen %[1]s; root %[2]s/data; location / { dav_methods PUT DELETE; create_full_put_path on; } } }
`

// startNginx serves files from a directory, nil where there is no nginx.
func (b *bench) startNginx(ctx context.Context, dir string, file string, content []byte) (*process, error) {
	program, err := exec.LookPath("nginx")
	if err != nil {
		return nil, nil
	}
	for _, d := range []string{dir, filepath.Join(dir, "data"), filepath.Join(dir, "tmp")} {
		// The worker may run as somebody else.
		if err := os.MkdirAll(d, 0o777); err != nil {
			return nil, err
		}
		if err := os.Chmod(d, 0o777); err != nil {
			return nil, err
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "data", file), content, 0o644); err != nil {
		return nil, err
	}
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	conf := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(conf, []byte(fmt.Sprintf(nginxConfig, address, dir)), 0o644); err != nil {
		return nil, err
	}
	cmd := exec.Command(program, "-c", conf, "-e", filepath.Join(dir, "error.log"))
	if os.Geteuid() == 0 {
		cmd.Args = append(cmd.Args, "-g", "user root;")
	}
	p := &process{cmd: cmd, address: address, log: filepath.Join(dir, "log")}
	return p, p.start(ctx, request{method: "GET", url: "http://" + address + "/" + file})
}

// nginxStarts adds what nginx takes.
func (b *bench) nginxStarts(ctx context.Context, t *table) error {
	var times []float64
	for range b.rounds {
		p, err := b.startNginx(ctx, filepath.Join(b.work, "nginx"), "file", []byte("content"))
		if p == nil || err != nil {
			return err
		}
		p.stop()
		times = append(times, milliseconds(p.started))
	}
	t.add("nginx", median(times), missing, missing)
	return nil
}
