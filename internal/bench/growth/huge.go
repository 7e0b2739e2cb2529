package main

import (
	"bytes"
	"context"
	"encoding/xml"
	"fmt"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"time"
)

const (
	hugeBucket = "huge"
	hugeParts  = 10_000
	// hugePart is the size of a part so that all of them are a tebibyte.
	hugePart = (1<<40 + hugeParts - 1) / hugeParts
	hugeSize = hugePart * hugeParts
	// hugeRange is how much of the object is read at once.
	hugeRange  = 64 << 10
	hugeRanges = 200
)

// A giant is a server with an object of a tebibyte in the making.
type giant struct {
	p *process
	c *connection
	t *table
}

// measureHuge makes an object of a tebibyte out of one part, copied again and
// again, reads it and deletes it.
func (b *bench) measureHuge(ctx context.Context) error {
	t := b.table("An object of 1 TiB in 10,000 parts", "Completes in under a second and reads anywhere at once.", "ms, median", "ms, most")
	p, err := startServer(ctx, b.program, filepath.Join(b.work, "huge"), probe{"PUT", hugeBucket, ""})
	if err != nil {
		return err
	}
	defer p.stop()
	c, err := dial(p.address)
	if err != nil {
		return err
	}
	defer c.close()
	g := &giant{p: p, c: c, t: t}
	if err := g.build(); err != nil {
		return err
	}
	if err := g.read(); err != nil {
		return err
	}
	return g.remove()
}

// do sends a signed request.
func (g *giant) do(method, key, headers string, header http.Header, body []byte, params ...string) (answer, error) {
	url, err := g.p.urlWith(method, hugeBucket, key, header, params...)
	if err != nil {
		return answer{}, err
	}
	return g.c.fetch(request{method: method, url: url, headers: headers, body: body})
}

func (g *giant) build() error {
	part := make([]byte, hugePart)
	rand.NewChaCha8([32]byte{5}).Read(part)
	source, err := g.do("PUT", "part", "", nil, part)
	if err != nil {
		return err
	}
	begun, err := g.do("POST", "object", "", nil, nil, "uploads", "")
	if err != nil {
		return err
	}
	var upload struct {
		UploadID string `xml:"UploadId"`
	}
	if err := xml.Unmarshal(begun.body, &upload); err != nil {
		return err
	}
	if err := g.copyParts(upload.UploadID); err != nil {
		return err
	}
	var list bytes.Buffer
	list.WriteString("<CompleteMultipartUpload>")
	for i := range hugeParts {
		fmt.Fprintf(&list, "<Part><PartNumber>%d</PartNumber><ETag>%s</ETag></Part>", i+1, source.etag)
	}
	list.WriteString("</CompleteMultipartUpload>")
	done, err := g.do("POST", "object", "", nil, list.Bytes(), "uploadId", upload.UploadID)
	if err == nil && !bytes.Contains(done.body, []byte("CompleteMultipartUploadResult")) {
		err = fmt.Errorf("the upload was not completed: %s", done.body)
	}
	g.t.add("CompleteMultipartUpload", milliseconds(done.total), milliseconds(done.total))
	return err
}

func (g *giant) copyParts(upload string) error {
	header := http.Header{"X-Amz-Copy-Source": {"/" + hugeBucket + "/part"}}
	times := make([]time.Duration, hugeParts)
	for i := range times {
		a, err := g.do("PUT", "object", "x-amz-copy-source: /"+hugeBucket+"/part\r\n", header, nil,
			"partNumber", strconv.Itoa(i+1), "uploadId", upload)
		if err != nil {
			return err
		}
		times[i] = a.total
	}
	g.add("UploadPartCopy, each of 10,000", times)
	return nil
}

// add adds a row about requests that were sent several times.
func (g *giant) add(name string, times []time.Duration) {
	slices.Sort(times)
	g.t.add(name, quantile(times, 0.5), quantile(times, 1))
}

// read measures what reading the object takes.
func (g *giant) read() error {
	r := rand.New(rand.NewPCG(6, 7))
	var first, head []time.Duration
	for range hugeRanges {
		off := r.Int64N(hugeSize - hugeRange)
		a, err := g.do("GET", "object", fmt.Sprintf("Range: bytes=%d-%d\r\n", off, off+hugeRange-1), nil, nil)
		if err != nil {
			return err
		}
		if a.status != 206 || a.size != hugeRange {
			return fmt.Errorf("a range of %d bytes: %d, %d bytes", hugeRange, a.status, a.size)
		}
		first = append(first, a.total)
		if a, err = g.do("HEAD", "object", "", nil, nil); err != nil {
			return err
		}
		if a.size != hugeSize {
			return fmt.Errorf("the object has %d bytes instead of %d", a.size, hugeSize)
		}
		head = append(head, a.total)
	}
	g.add("HEAD", head)
	g.add("GET of 64 KiB anywhere", first)
	return nil
}

// remove deletes the object, and measures a small request until all that it
// referred to is taken apart.
func (g *giant) remove() error {
	a, err := g.do("DELETE", "object", "", nil, nil)
	if err != nil {
		return err
	}
	g.t.add("DELETE", milliseconds(a.total), milliseconds(a.total))
	before, err := g.p.cpu()
	if err != nil {
		return err
	}
	var beside []time.Duration
	for end := time.Now().Add(time.Second); time.Now().Before(end); {
		a, err := g.do("HEAD", "part", "", nil, nil)
		if err != nil {
			return err
		}
		beside = append(beside, a.total)
	}
	after, err := g.p.cpu()
	g.add("HEAD of another object in the second after", beside)
	g.t.add("CPU of that second", (after-before)*1000, missing)
	return err
}
