package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"

	"github.com/daypass/daypass/internal/bench/flame"
)

// profiled are the rows of which flame graphs are drawn.
var profiled = [...]string{"get4k", "put4k"}

// profiles draws what Daypass spends its time in while it serves these rows.
// It needs perf, and the right to use it.
func (m *measurement) profiles(ctx context.Context) error {
	c := m.contestants[0]
	for i := range m.rows {
		for _, name := range profiled {
			if m.rows[i].name != name {
				continue
			}
			if err := m.profile(ctx, c, &m.rows[i]); err != nil {
				return fmt.Errorf("profile of %s: %w", name, err)
			}
		}
	}
	return nil
}

func (m *measurement) profile(ctx context.Context, c *contestant, r *row) error {
	fmt.Fprintf(m.log, "profile of %s\n", r.name)
	data := filepath.Join(m.dir, "perf."+r.name)
	record := exec.CommandContext(ctx, "perf", "record", "-q", "-F", "999", "-g", "-o", data, "-p", strconv.Itoa(c.pid()))
	var said bytes.Buffer
	record.Stderr = &said
	if err := record.Start(); err != nil {
		return fmt.Errorf("%w\n  perf is in Debian's package linux-perf", err)
	}
	_, err := m.runners[c.name+" "+r.name].Run(ctx)
	if e := record.Process.Signal(os.Interrupt); e != nil && err == nil {
		err = fmt.Errorf("perf ended early: %s", said.String())
	}
	// perf ends by the signal that it was sent.
	_ = record.Wait()
	if err != nil {
		return err
	}
	return m.draw(ctx, data, r)
}

// draw makes the picture of a profile.
func (m *measurement) draw(ctx context.Context, data string, r *row) error {
	script := exec.CommandContext(ctx, "perf", "script", "-F", "comm,ip,sym", "-i", data)
	text, err := script.Output()
	if err != nil {
		return fmt.Errorf("perf script: %w", err)
	}
	root, err := flame.ReadPerf(bytes.NewReader(text))
	if err != nil {
		return err
	}
	var picture bytes.Buffer
	title := fmt.Sprintf("%s: processor time of daypass serve, %d samples", r.title, root.Samples)
	if err := flame.WriteSVG(&picture, root, flame.Options{Title: title}); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(m.options.out, r.name+".svg"), picture.Bytes(), 0o644)
}
