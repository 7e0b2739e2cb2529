package main

import (
	"context"
	"fmt"
	"net/http"

	"github.com/spf13/cobra"

	"github.com/daypass/daypass/s3"
)

func (a *app) bucketLogging(f *presignFlags) *cobra.Command {
	s := &setting{f, "logging"}
	var partitioned string
	set := a.verb(s, "set s3://BUCKET s3://TARGET[/PREFIX]", "Deliver the access log of a bucket to another", cobra.ExactArgs(2),
		func(ctx context.Context, c *settingClient, args []string) error {
			l, err := parseLogging(args[0], partitioned)
			if err != nil {
				return err
			}
			if _, err = c.send(ctx, http.MethodPut, nil, s3.AppendLogging(nil, l)); err == nil {
				a.note("the policy of s3://%s must let logs in, with a statement such as\n  %s", l.TargetBucket, logStatement(c.bucket, l))
			}
			return err
		})
	set.Example = "  daypass bucket logging set s3://photos s3://logs/photos/"
	set.Flags().StringVar(&partitioned, "partitioned", "", "keys with account, region, bucket and day, of the requests (event-time) or of the delivery (delivery-time)")
	return a.settingCommand("logging", "The access log of a bucket, delivered to a bucket",
		a.verb(s, "get s3://BUCKET", "Print where the access log goes, as XML", cobra.ExactArgs(1), a.showSetting),
		set,
		a.verb(s, "delete s3://BUCKET", "Deliver the access log no more", cobra.ExactArgs(1),
			func(ctx context.Context, c *settingClient, _ []string) error {
				_, err := c.send(ctx, http.MethodPut, nil, s3.AppendLogging(nil, nil))
				return err
			}))
}

// parseLogging reads where a log is to go.
func parseLogging(target, partitioned string) (*s3.Logging, error) {
	bucket, prefix, err := parseTarget(target)
	if err != nil {
		return nil, err
	}
	l := &s3.Logging{TargetBucket: bucket, TargetPrefix: prefix}
	switch partitioned {
	case "":
	case "event-time":
		l.Format, l.DateSource = s3.PartitionedPrefix, s3.EventTime
	case "delivery-time":
		l.Format, l.DateSource = s3.PartitionedPrefix, s3.DeliveryTime
	default:
		return nil, usagef("--partitioned is event-time or delivery-time, not %q", partitioned)
	}
	return l, nil
}

// logStatement is what the policy of a bucket needs for logs to be delivered to
// it.
func logStatement(source string, l *s3.Logging) string {
	return fmt.Sprintf(`{"Effect":"Allow","Principal":{"Service":"logging.s3.amazonaws.com"},"Action":"s3:PutObject",`+
		`"Resource":"arn:aws:s3:::%s/%s*","Condition":{"ArnLike":{"aws:SourceArn":"arn:aws:s3:::%s"}}}`, l.TargetBucket, l.TargetPrefix, source)
}
