package main

import (
	"context"
	"crypto/rsa"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/daypass/daypass/audit/spool"
	"github.com/daypass/daypass/audit/trail"
)

func (a *app) trailCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "trail",
		Short: "Verify that the files of a trail are whole and unchanged",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.trailVerify())
	return cmd
}

type verifyFlags struct {
	data, since, until string
	keys               []string
	writer             bool // the data directory is the writer's
}

func (a *app) trailVerify() *cobra.Command {
	var f verifyFlags
	cmd := &cobra.Command{
		Use:   "verify DIR",
		Short: "Find files of a trail that were removed, changed or added",
		Long: "Find files that were removed from a trail, changed, added or put elsewhere. A directory\n" +
			"is what 'daypass serve --trail DIR' writes. Digests must be signed by the key of the\n" +
			"data directory, or by those of --public-key. With findings the exit code is 1.\n\n" +
			"Nothing in the directory can tell that its newest digests were removed together with\n" +
			"their files. The data directory of the server that writes the trail can: where it is at\n" +
			"hand, what it remembers is compared too. A copy of a trail is verified with --public-key,\n" +
			"which does not look at a data directory unless --data names one.",
		Example: "  daypass trail verify /var/log/daypass --data /var/lib/daypass\n" +
			"  daypass trail verify copy/ --public-key trail.pub --since 30d",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			f.writer = len(f.keys) == 0 || cmd.Flags().Changed("data")
			return a.verifyTrails(cmd.Context(), &f, args[0])
		},
	}
	fs := cmd.Flags()
	a.addDataFlag(fs, &f.data)
	fs.StringArrayVar(&f.keys, "public-key", nil, "public key (PEM) that may have signed; without it, trail.pub of the data directory (may repeat)")
	fs.StringVar(&f.since, "since", "", "verify what is since a time, or for so long: 30d; older digests may be gone")
	fs.StringVar(&f.until, "until", "", "there must be digests up to a time, or now")
	return cmd
}

// A verifiedTrail is the report of one trail.
type verifiedTrail struct {
	Account  string         `json:"account"`
	Region   string         `json:"region"`
	Digests  int            `json:"digests"`
	Files    int            `json:"files"`
	Records  int            `json:"records"`
	From     time.Time      `json:"from,omitzero"`
	To       time.Time      `json:"to,omitzero"`
	Pending  []string       `json:"pending"`
	Findings []trailFinding `json:"findings"`
	// Writer says that what the server remembers was compared.
	Writer bool `json:"writer"`
}

type trailFinding struct {
	Kind   trail.Kind `json:"kind"`
	File   string     `json:"file"`
	Detail string     `json:"detail"`
}

func (a *app) verifyTrails(ctx context.Context, f *verifyFlags, dir string) (err error) {
	opts := trail.VerifyOptions{Storage: trail.Dir(dir), Bucket: trailBucket}
	if opts.Keys, err = f.publicKeys(); err != nil {
		return err
	}
	if opts.From, err = parseSince(f.since, a.now()); err != nil {
		return err
	}
	if opts.Until, err = parseMoment("--until", f.until, a.now()); err != nil {
		return err
	}
	if opts.States, err = f.states(); err != nil {
		return err
	}
	places, err := trailsIn(dir, opts.States)
	if err != nil {
		return err
	}
	reports, findings := []verifiedTrail{}, 0
	for _, place := range places {
		opts.Account, opts.Region = place.Account, place.Region
		r, err := trail.Verify(ctx, opts)
		if err != nil {
			return err
		}
		reports = append(reports, newVerifiedTrail(place, r, len(opts.States) > 0))
		findings += len(r.Findings)
	}
	if err := a.printTrails(reports); err != nil || findings == 0 {
		return err
	}
	return fmt.Errorf("the trail is not what was written: %s", count(findings, "finding"))
}

// publicKeys reads the keys that may have signed.
func (f *verifyFlags) publicKeys() (keys []*rsa.PublicKey, err error) {
	paths := f.keys
	if len(paths) == 0 {
		paths = []string{filepath.Join(f.data, trailPublicFile)}
	}
	for _, path := range paths {
		key, err := readPublicKey(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, &commandError{code: exitNotFound, err: err,
				hint: "the data directory of the server that writes the trail has it as " + trailPublicFile + "; name that directory with --data, or the file with --public-key"}
		}
		if err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	return keys, nil
}

// states returns what the server of the data directory remembers of its trail;
// nothing where there is none.
func (f *verifyFlags) states() ([][]byte, error) {
	if !f.writer {
		return nil, nil
	}
	b, err := spool.ReadState(eventsDir(f.data), trailSink)
	if errors.Is(err, fs.ErrNotExist) || err == nil && b == nil {
		return nil, nil
	}
	return [][]byte{b}, err
}

// trailsIn finds the accounts and regions of the trails in a directory, those
// too that only a writer knows of.
func trailsIn(dir string, states [][]byte) (places []trail.Place, err error) {
	for _, b := range states {
		if places, err = trail.PlacesOf(b); err != nil {
			return nil, err
		}
	}
	found := false
	for _, kind := range []string{"CloudTrail", "CloudTrail-Digest"} {
		paths, err := filepath.Glob(filepath.Join(escapeGlob(dir), "AWSLogs", "*", kind, "*"))
		if err != nil {
			return nil, err
		}
		for _, path := range paths {
			found = true
			account := filepath.Base(filepath.Dir(filepath.Dir(path)))
			if place := (trail.Place{Account: account, Region: filepath.Base(path)}); !slices.Contains(places, place) {
				places = append(places, place)
			}
		}
	}
	if !found {
		hint := "it is the directory that 'daypass serve --trail' was given"
		if len(places) > 0 {
			hint += "\nthe server remembers one: where this is that directory, all of it was removed"
		}
		return nil, &commandError{code: exitNotFound, err: fmt.Errorf("no trail is in %s", dir), hint: hint}
	}
	return places, nil
}

// escapeGlob makes a path mean itself in a pattern.
func escapeGlob(path string) string {
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`).Replace(path)
}

func newVerifiedTrail(place trail.Place, r *trail.Report, writer bool) verifiedTrail {
	v := verifiedTrail{Account: place.Account, Region: place.Region, Writer: writer, Digests: r.Digests, Files: r.Files, Records: r.Records,
		From: r.From, To: r.To, Pending: []string{}, Findings: []trailFinding{}}
	v.Pending = append(v.Pending, r.Pending...)
	for _, f := range r.Findings {
		v.Findings = append(v.Findings, trailFinding{f.Kind, f.Name, f.Detail})
	}
	return v
}

func (a *app) printTrails(reports []verifiedTrail) error {
	if a.json {
		return a.printJSON(reports)
	}
	for _, r := range reports {
		rows := [][2]string{{"trail", "account " + printable(r.Account) + ", region " + printable(r.Region)}}
		if !r.From.IsZero() {
			rows = append(rows, [2]string{"covers", showTime(r.From) + " to " + showTime(r.To)})
		}
		rows = append(rows, [2]string{"digests", strconv.Itoa(r.Digests)},
			[2]string{"files", fmt.Sprintf("%d, with %s", r.Files, count(r.Records, "record"))},
			[2]string{"pending", count(len(r.Pending), "file") + " that no digest vouches for yet"},
			[2]string{"newest", newestCheck(r.Writer)})
		if len(r.Findings) == 0 {
			a.pairs(append(rows, [2]string{"findings", a.green("none")}))
			continue
		}
		a.pairs(rows)
		found := table{{"FINDING", "FILE", "WHAT"}}
		for _, f := range r.Findings {
			found = append(found, []string{string(f.Kind), printable(f.File), printable(f.Detail)})
		}
		if err := found.write(a.out, a.bold); err != nil {
			return err
		}
	}
	return nil
}

// newestCheck says whether the removal of the newest files would be found.
func newestCheck(writer bool) string {
	if writer {
		return "as the server's data directory remembers"
	}
	return "not known: --data names the directory of the server that writes the trail"
}

// count writes a number and what it counts.
func count(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return strconv.Itoa(n) + " " + what
}
