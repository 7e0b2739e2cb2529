package flame

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"hash/fnv"
	"io"
	"maps"
	"slices"
	"strings"
)

// Options say how a graph is drawn.
type Options struct {
	Title string
	// Least is the share of all samples below which a frame is left out; zero
	// is 0.3 %.
	Least float64
	// Under is a function: frames between the bottom and its first occurrence
	// are left out, and so are stacks without it. Empty draws everything.
	Under string
}

// Geometry, in the units of the picture.
const (
	width      = 1200
	rowHeight  = 17
	margin     = 10
	headHeight = 34
	charWidth  = 6.6 // of the font, at its size
)

// drawing is a picture in the making.
type drawing struct {
	out   bytes.Buffer
	total int64
	least int64
	depth int // of the deepest frame that is drawn
}

// WriteSVG draws a flame graph. It stands on its own, without scripts; pointing
// at a frame shows its whole name and share.
func WriteSVG(w io.Writer, root *Frame, o Options) error {
	if o.Under != "" {
		if root = root.under(o.Under); root.Samples == 0 {
			return fmt.Errorf("no stack has the function %q", o.Under)
		}
	}
	if o.Least == 0 {
		o.Least = 0.003
	}
	for {
		d := &drawing{total: root.Samples, least: max(1, int64(o.Least*float64(root.Samples)))}
		d.picture(root, o.Title)
		if d.out.Len() <= maxPicture {
			_, err := w.Write(d.out.Bytes())
			return err
		}
		o.Least *= 1.25
	}
}

// maxPicture is how many bytes a picture may have: of one that would have more,
// more small frames are left out.
const maxPicture = 140 << 10

func (d *drawing) picture(root *Frame, title string) {
	d.measure(root, 0)
	height := headHeight + (d.depth+1)*rowHeight + margin
	fmt.Fprintf(&d.out, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="ui-monospace, monospace" font-size="11">`+"\n", width+2*margin, height)
	fmt.Fprintf(&d.out, `<rect width="100%%" height="100%%" fill="#fff"/>`+"\n"+`<text x="%d" y="22" font-size="14">%s</text>`+"\n", margin, escape(title))
	d.draw(root, 0, 0, height-margin-rowHeight)
	d.out.WriteString("</svg>\n")
}

// under returns the sum of all frames of a name that no other of it is below.
func (f *Frame) under(name string) *Frame {
	out := &Frame{Name: name}
	var find func(*Frame)
	find = func(f *Frame) {
		for _, c := range f.Calls {
			if c.Name == name {
				out.merge(c)
			} else {
				find(c)
			}
		}
	}
	find(f)
	return out
}

// merge adds another frame of the same name.
func (f *Frame) merge(o *Frame) {
	f.Samples += o.Samples
	for name, c := range o.Calls {
		if f.Calls == nil {
			f.Calls = make(map[string]*Frame)
		}
		if f.Calls[name] == nil {
			f.Calls[name] = &Frame{Name: name}
		}
		f.Calls[name].merge(c)
	}
}

// measure finds out how deep the picture is.
func (d *drawing) measure(f *Frame, depth int) {
	d.depth = max(d.depth, depth)
	for _, c := range f.Calls {
		if c.Samples >= d.least {
			d.measure(c, depth+1)
		}
	}
}

// draw draws a frame and what it called, from a number of samples on. Frames of
// one caller stand by name, so that two graphs can be compared.
func (d *drawing) draw(f *Frame, from int64, depth, y int) {
	scale := float64(width) / float64(d.total)
	x, wide := margin+float64(from)*scale, float64(f.Samples)*scale
	share := 100 * float64(f.Samples) / float64(d.total)
	fmt.Fprintf(&d.out, `<g><title>%s %.1f %%</title><rect x="%.1f" y="%d" width="%.1f" height="%d" fill="%s"/>`,
		escape(f.Name), share, x, y, max(wide-0.5, 0.3), rowHeight-1, colour(f.Name))
	if text := fit(f.Name, wide); text != "" {
		fmt.Fprintf(&d.out, `<text x="%.1f" y="%d">%s</text>`, x+2, y+12, escape(text))
	}
	d.out.WriteString("</g>\n")
	for _, name := range slices.Sorted(maps.Keys(f.Calls)) {
		c := f.Calls[name]
		if c.Samples >= d.least {
			d.draw(c, from, depth+1, y-rowHeight)
		}
		from += c.Samples
	}
}

// fit shortens a name to a width; one of less than three characters is nothing.
func fit(name string, wide float64) string {
	n := int((wide - 4) / charWidth)
	switch {
	case n < 3:
		return ""
	case len(name) <= n:
		return name
	}
	return name[:n-1] + "…"
}

// colour tells kinds of code apart: the kernel blue, the runtime grey, system
// calls yellow, everything else in reds, one for each name.
func colour(name string) string {
	h := fnv.New32a()
	h.Write([]byte(name))
	v := int(h.Sum32() % 40)
	switch {
	case strings.HasPrefix(name, "runtime.") || strings.HasPrefix(name, "gcWriteBarrier"):
		return fmt.Sprintf("#%02x%02x%02x", 190+v/2, 190+v/2, 190+v/2)
	case strings.HasPrefix(name, "syscall.") || strings.HasPrefix(name, "unix."):
		return fmt.Sprintf("#%02x%02x60", 225+v/2, 200+v/2)
	case !strings.Contains(name, "."):
		return fmt.Sprintf("#%02x%02xe8", 130+v, 170+v) // no Go: the kernel
	}
	return fmt.Sprintf("#f0%02x%02x", 120+2*v, 70+v)
}

// escape makes text fit for XML.
func escape(s string) string {
	var b strings.Builder
	// A Builder does not fail.
	_ = xml.EscapeText(&b, []byte(s))
	return b.String()
}
