package main

import (
	"time"

	"github.com/spf13/pflag"

	"github.com/daypass/daypass/audit"
)

// eventFlags say how long events are kept and where they go. Those of sinks
// are for serve; share takes them too, since it reads the same configuration
// file, and runs no sink.
type eventFlags struct {
	maxAge    lifetimeFlag
	maxSize   sizeFlag
	accessLog string
	logSize   sizeFlag
	logAge    lifetimeFlag
	logKeep   int
	trail     string
	webhooks  webhookFlag
	allow     []string
	// bucketLogs is how long an event waits before it is delivered in its
	// bucket's log.
	bucketLogs lifetimeFlag
}

func addEventFlags(fs *pflag.FlagSet, f *eventFlags) {
	f.maxAge = lifetimeFlag(30 * 24 * time.Hour)
	f.maxSize = sizeFlag{bytes: 1 << 30, set: true}
	fs.Var(&f.maxAge, "events-max-age", "how long events are kept for 'daypass logs'")
	fs.Var(&f.maxSize, "events-max-size", "bytes of events that are kept for 'daypass logs'; eight times that while a sink is away")
	fs.StringVar(&f.accessLog, "access-log", "", "file for the access log, in S3's format; - for standard output (serve only)")
	fs.Var(&f.logSize, "access-log-max-size", "size from which the access log goes on in a new file; 0: any")
	fs.Var(&f.logAge, "access-log-max-age", "age from which the access log goes on in a new file; 0: any")
	fs.IntVar(&f.logKeep, "access-log-keep", 0, "how many old files of the access log are kept; 0: all")
	f.bucketLogs = lifetimeFlag(5 * time.Minute)
	fs.Var(&f.bucketLogs, "log-delivery-interval", "how long access logs of buckets (PutBucketLogging) wait for more before they are delivered")
	fs.Var(&f.webhooks, "webhook", "endpoint that is told of events, such as name=orders,url=https://…,secret-file=FILE,events=object-created (may repeat; serve only)")
	fs.StringArrayVar(&f.allow, "webhook-allow", nil, "address or range, not public, that webhooks may be sent to (may repeat)")
	fs.StringVar(&f.trail, "trail", "", "directory for CloudTrail-shaped files and signed digests (serve only)")
}

func (f *eventFlags) config() (eventConfig, error) {
	if f.maxAge <= 0 || f.maxSize.bytes <= 0 {
		return eventConfig{}, usagef("--events-max-age and --events-max-size must be positive")
	}
	if f.logAge < 0 || f.logKeep < 0 {
		return eventConfig{}, usagef("--access-log-max-age and --access-log-keep must not be negative")
	}
	if f.bucketLogs <= 0 {
		return eventConfig{}, usagef("--log-delivery-interval must be positive")
	}
	allow, err := parseAllowlist(f.allow)
	if err != nil {
		return eventConfig{}, err
	}
	return eventConfig{
		webhooks: f.webhooks, webhookAllow: allow,
		logInterval: time.Duration(f.bucketLogs),
		maxAge:      time.Duration(f.maxAge), maxBytes: f.maxSize.bytes, trail: f.trail,
		accessLog: audit.LogFileOptions{Path: f.accessLog, MaxBytes: f.logSize.bytes, MaxAge: time.Duration(f.logAge), Keep: f.logKeep},
	}, nil
}
