package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/daypass/daypass/internal/bench"
	"github.com/daypass/daypass/sign"
)

type benchFlags struct {
	target presignFlags // where, and with whose key

	mix, sizes          string
	rangeSize           sizeFlag
	objects             int
	connections         int
	duration, warmUp    lifetimeFlag
	requests            int64
	rounds              int
	rate                float64
	auth                string
	targetURL           string
	signPayload         bool
	listMax             int
	listDelimiter       string
	create, keep, reuse bool
	verify, allowErrors bool
	pids                []int
	timeout             lifetimeFlag
	seed                uint64
	output              string
	caFile              string
	insecure            bool
}

func (a *app) benchCommand() *cobra.Command {
	f := &benchFlags{rangeSize: sizeFlag{bytes: 16 << 10, set: true}, duration: lifetimeFlag(10 * time.Second), warmUp: lifetimeFlag(time.Second), timeout: lifetimeFlag(30 * time.Second)}
	cmd := &cobra.Command{
		Use:   "bench s3://BUCKET[/PREFIX]",
		Short: "Put an S3 endpoint under load, and measure it",
		Long: "Put an S3 endpoint under load, and measure how fast it answers and what that costs it.\n\n" +
			"Objects are stored below the prefix, read and written as the mix says, and removed\n" +
			"again. Credentials, region and endpoint come from where the AWS tools have them, as for\n" +
			"'daypass presign'. With --auth none and --target-url any HTTP server is measured.\n\n" +
			"It is a closed loop, in which each connection sends as soon as it has its answer, unless\n" +
			"--rate says how many operations begin each second; then latency counts from when an\n" +
			"operation was to begin.\n\n" +
			"The exit code is 1 when operations failed, unless --allow-errors is given.",
		Example: "  daypass bench s3://bench --create --mix get=70,put=20,range=5,head=3,list=1,delete=1 --size 4KiB:90,1MiB:10\n" +
			"  daypass bench s3://bench --mix get --connections 64 --pid $(pgrep -f 'daypass serve') --output a.json\n" +
			"  daypass bench s3://bench --mix get --rate 5000 --duration 1m\n" +
			"  daypass bench --auth none --target-url http://127.0.0.1:8080/{key} --mix get,put\n" +
			"  daypass bench compare a.json b.json",
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return a.bench(cmd.Context(), f, args) },
	}
	f.addLoad(cmd.Flags())
	f.addTarget(cmd.Flags())
	cmd.AddCommand(a.benchCompareCommand())
	return cmd
}

// addLoad adds the flags that say what load to make.
func (f *benchFlags) addLoad(fs *pflag.FlagSet) {
	fs.StringVar(&f.mix, "mix", "get=70,put=20,range=5,head=3,list=1,delete=1", "operations and their shares: get, range, head, put, delete, list")
	fs.StringVar(&f.sizes, "size", "4KiB", "size of objects, or a distribution such as 4KiB:90,1MiB:9,64MiB:1")
	fs.Var(&f.rangeSize, "range-size", "bytes that a range has")
	fs.IntVar(&f.objects, "objects", 1000, "how many objects there are to read, and as many to write")
	fs.IntVar(&f.connections, "connections", 16, "keep-alive connections, each with one request at a time")
	fs.Var(&f.duration, "duration", "how long each round lasts")
	fs.Var(&f.warmUp, "warm-up", "load before each round that does not count; 0s for none")
	fs.Int64Var(&f.requests, "requests", 0, "end a round after so many operations, rather than by --duration")
	fs.IntVar(&f.rounds, "rounds", 1, "how many rounds to measure; 4 or more tell differences from scatter")
	fs.Float64Var(&f.rate, "rate", 0, "operations to begin each second (open loop); 0: as fast as answers come")
	fs.IntVar(&f.listMax, "list-max-keys", 0, "max-keys of listings (default: the server's)")
	fs.StringVar(&f.listDelimiter, "list-delimiter", "", "delimiter of listings")
	fs.BoolVar(&f.verify, "verify", false, "compare bodies with what was stored, and read back what was written")
	fs.BoolVar(&f.allowErrors, "allow-errors", false, "exit with 0 even when operations failed")
	fs.IntSliceVar(&f.pids, "pid", nil, "process id of the server, to measure its CPU and memory, children included (may repeat)")
	fs.Var(&f.timeout, "timeout", "how long an operation may stand still")
	fs.Uint64Var(&f.seed, "seed", 1, "seed of the choices at random")
	fs.StringVar(&f.output, "output", "", "write the report as JSON into this file")
}

// addTarget adds the flags that say where the load goes.
func (f *benchFlags) addTarget(fs *pflag.FlagSet) {
	fs.StringVar(&f.auth, "auth", "presigned", "how requests are authenticated: presigned, header or none")
	fs.BoolVar(&f.signPayload, "sign-payload", false, "with --auth header: sign the SHA-256 of bodies")
	fs.StringVar(&f.targetURL, "target-url", "", "with --auth none: URL of objects, with {key} for the key")
	fs.BoolVar(&f.create, "create", false, "make the bucket if there is none")
	fs.BoolVar(&f.keep, "keep", false, "leave the objects there at the end")
	fs.BoolVar(&f.reuse, "reuse", false, "read the objects that an earlier run with --keep left, rather than store them")
	fs.StringVar(&f.target.endpoint, "endpoint-url", "", "endpoint of an S3 other than AWS (default: AWS_ENDPOINT_URL)")
	fs.StringVar(&f.target.region, "region", "", "region (default: from the AWS configuration, else us-east-1)")
	fs.StringVar(&f.target.profile, "profile", "", "profile of the AWS configuration")
	fs.BoolVar(&f.target.pathStyle, "path-style", false, "put the bucket into the path")
	fs.BoolVar(&f.target.vhost, "virtual-host", false, "put the bucket into the host name")
	fs.StringVar(&f.target.signature, "signature", "v4", "signature version: v4, v4a or v2")
	fs.StringVar(&f.caFile, "ca-file", "", "certificates (PEM) to trust for https besides the system's")
	fs.BoolVar(&f.insecure, "insecure", false, "do not check the server's certificate")
}

func (a *app) bench(ctx context.Context, f *benchFlags, args []string) error {
	c, err := a.benchConfig(ctx, f, args)
	if err != nil {
		return err
	}
	runner, err := bench.NewRunner(*c)
	if err != nil {
		return usagef("%v", err)
	}
	defer runner.Close()
	report, err := a.benchRun(ctx, f, runner)
	a.clearProgress()
	if err != nil {
		return benchError(err)
	}
	return a.benchReport(f, report)
}

// benchError gives an error that ended a run its exit code, and a hint.
func benchError(err error) error {
	e := &commandError{code: exitFailure, err: err, hint: "objects of this run may be left below the prefix"}
	switch bench.ErrorName(err) {
	case "NoSuchBucket":
		e.code, e.hint = exitNotFound, "--create makes the bucket"
	case "AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "RequestTimeTooSkewed":
		e.code, e.hint = exitRefused, "--auth header, or another key, may be what the server wants"
	case "connection refused":
		e.code, e.hint = exitUnreachable, "is there a server? --endpoint-url or AWS_ENDPOINT_URL names it"
	}
	return e
}

// benchConfig makes a configuration of the flags.
func (a *app) benchConfig(ctx context.Context, f *benchFlags, args []string) (*bench.Config, error) {
	c := &bench.Config{RangeSize: f.rangeSize.bytes, Objects: f.objects, Connections: f.connections, Duration: time.Duration(f.duration),
		WarmUp: time.Duration(f.warmUp), Requests: f.requests, Rounds: f.rounds, Rate: f.rate, Verify: f.verify, Processes: f.pids,
		Timeout: time.Duration(f.timeout), Seed: f.seed, List: bench.ListOptions{MaxKeys: f.listMax, Delimiter: f.listDelimiter}}
	var err error
	if c.Mix, err = bench.ParseMix(f.mix); err != nil {
		return nil, usagef("--mix: %v", err)
	}
	if c.Sizes, err = bench.ParseSizes(f.sizes, parseSize); err != nil {
		return nil, usagef("--size: %v", err)
	}
	if a.errTerm && !a.json {
		c.Progress = a.benchProgress
	}
	bucket, err := f.place(c, args)
	if err != nil {
		return nil, err
	}
	if len(f.pids) > 0 {
		if _, err := bench.TakeSample(f.pids); err != nil {
			return nil, usagef("--pid: %v", err)
		}
	}
	c.Target, err = a.benchTarget(ctx, f, bucket, c.List)
	return c, err
}

// place settles bucket and prefix. Without a prefix the run has one of its own.
func (f *benchFlags) place(c *bench.Config, args []string) (bucket string, err error) {
	switch {
	case f.auth == "none" && len(args) > 0, f.auth != "none" && f.targetURL != "":
		return "", usagef("--target-url and --auth none go together, in the place of s3://BUCKET")
	case f.auth == "none":
		return "", nil
	case len(args) == 0:
		return "", usagef("which bucket?\nname it as s3://BUCKET, or a prefix in it; --create makes it")
	}
	if bucket, c.Prefix, err = parseTarget(args[0]); err != nil {
		return "", err
	}
	if c.Prefix == "" {
		c.Prefix = "daypass-bench/"
	} else if !strings.HasSuffix(c.Prefix, "/") {
		c.Prefix += "/"
	}
	return bucket, nil
}

// benchTarget makes the target of the flags.
func (a *app) benchTarget(ctx context.Context, f *benchFlags, bucket string, list bench.ListOptions) (*bench.Target, error) {
	config, err := f.tls()
	if err != nil {
		return nil, err
	}
	if f.auth == "none" {
		t, err := bench.Plain(f.targetURL, config)
		if err != nil {
			return nil, usagef("--target-url: %v", err)
		}
		return t, nil
	}
	signer, err := a.awsSigner(ctx, &f.target)
	if err != nil {
		return nil, err
	}
	presigner, err := f.target.presigner(signer, bucket)
	if err != nil {
		return nil, err
	}
	o := bench.S3Options{Bucket: bucket, List: list, SignPayload: f.signPayload, TLS: config}
	switch f.auth {
	case "presigned":
		return bench.Presigned(presigner, o)
	case "header":
		so := sign.SignerOptions{Region: signer.region, Version: versions[f.target.signature]}
		if f.target.vhost {
			so.HostBucket = bucket
		}
		return bench.SignedHeader(presigner, sign.NewSigner(signer.key, so), o)
	}
	return nil, usagef("--auth is presigned, header or none, not %q", f.auth)
}

// tls is the configuration of https.
func (f *benchFlags) tls() (*tls.Config, error) {
	c := &tls.Config{InsecureSkipVerify: f.insecure}
	if f.caFile == "" {
		return c, nil
	}
	pem, err := os.ReadFile(f.caFile)
	if err != nil {
		return nil, usagef("--ca-file: %v", err)
	}
	if c.RootCAs, err = x509.SystemCertPool(); err != nil {
		c.RootCAs = x509.NewCertPool()
	}
	if !c.RootCAs.AppendCertsFromPEM(pem) {
		return nil, usagef("--ca-file: %s holds no certificate", f.caFile)
	}
	return c, nil
}

// benchRun stores the objects, makes the load and removes the objects.
func (a *app) benchRun(ctx context.Context, f *benchFlags, r *bench.Runner) (*bench.Report, error) {
	if !f.reuse {
		if err := r.Prepare(ctx, f.create); err != nil {
			return nil, err
		}
	}
	report, err := r.Run(ctx)
	if f.keep || f.auth == "none" {
		return report, err
	}
	// An interrupt ends the load, not the tidying up.
	clean, stop := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer stop()
	if e := r.CleanUp(clean); e != nil && err == nil {
		fmt.Fprintf(a.err, "daypass: warning: objects are left: %v\n", e)
	}
	return report, err
}

// benchReport prints a report, writes it to a file, and says whether the run
// was without errors.
func (a *app) benchReport(f *benchFlags, report *bench.Report) error {
	if f.output != "" {
		text, err := json.MarshalIndent(report, "", "  ")
		if err != nil {
			return err
		}
		if err := os.WriteFile(f.output, append(text, '\n'), 0o644); err != nil {
			return err
		}
	}
	if err := a.printBench(report); err != nil {
		return err
	}
	if n := report.ErrorCount(); n > 0 && !f.allowErrors {
		return &commandError{code: exitFailure, err: fmt.Errorf("%d operations failed", n), hint: "--allow-errors takes that as a success"}
	}
	return nil
}

func (a *app) printBench(report *bench.Report) error {
	if a.json {
		return a.printJSON(report)
	}
	return report.WriteTable(a.out)
}

// benchProgress shows how far a run is, in one line.
func (a *app) benchProgress(p bench.Progress) {
	rate := float64(p.Operations) / max(p.Elapsed.Seconds(), 1e-9)
	line := fmt.Sprintf("%s: %3.0f %%, %d operations, %.0f a second", p.Phase, p.Done*100, p.Operations, rate)
	if p.Errors > 0 {
		line += fmt.Sprintf(", %s", a.red(fmt.Sprintf("%d errors", p.Errors)))
	}
	fmt.Fprintf(a.err, "\r\x1b[K%s", line)
}

// clearProgress removes the line of benchProgress.
func (a *app) clearProgress() {
	if a.errTerm && !a.json {
		fmt.Fprint(a.err, "\r\x1b[K")
	}
}

func (a *app) benchCompareCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "compare A.json B.json",
		Short: "Compare two reports of bench",
		Long: "Compare two reports that 'daypass bench --output' wrote: what each figure of B is to that\n" +
			"of A, and whether the rounds scatter less than that. Medians of the rounds are compared;\n" +
			"p is the probability that chance alone makes such a difference (Mann-Whitney U test).",
		Example: "  daypass bench s3://bench --mix get --rounds 5 --output before.json\n" +
			"  daypass bench compare before.json after.json",
		Args: cobra.ExactArgs(2),
		RunE: func(_ *cobra.Command, args []string) error { return a.benchCompare(args[0], args[1]) },
	}
}

func (a *app) benchCompare(nameA, nameB string) error {
	var reports [2]*bench.Report
	for i, name := range []string{nameA, nameB} {
		text, err := os.ReadFile(name)
		if err != nil {
			return usagef("%v", err)
		}
		if reports[i], err = bench.ParseReport(text); err != nil {
			return usagef("%s: %v\n'daypass bench --output FILE' writes one", name, err)
		}
	}
	c := bench.Compare(reports[0], reports[1])
	if a.json {
		return a.printJSON(c)
	}
	return c.WriteTable(a.out)
}
