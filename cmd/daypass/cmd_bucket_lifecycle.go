package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"

	"github.com/spf13/cobra"

	"github.com/daypass/daypass/s3"
)

// A lifecycleDocument is lifecycle rules as the AWS CLI writes them.
type lifecycleDocument struct {
	Rules []s3.LifecycleRule
}

// lifecycleRule are the flags that make one rule.
type lifecycleRule struct {
	prefix                                    string
	days, noncurrentDays, keepNewer, abortAge int64
	markers                                   bool
}

func (a *app) bucketLifecycle(f *presignFlags) *cobra.Command {
	s := &setting{f, "lifecycle"}
	var rule lifecycleRule
	set := a.verb(s, "set s3://BUCKET [FILE]", "Set rules: flags for one, or a file with XML or the JSON of the AWS CLI", cobra.RangeArgs(1, 2),
		func(ctx context.Context, c *settingClient, args []string) error {
			rules, err := a.lifecycleRules(&rule, args)
			if err == nil {
				_, err = c.send(ctx, http.MethodPut, nil, rules)
			}
			return err
		})
	set.Example = "  daypass bucket lifecycle set s3://uploads --days 30 --abort-uploads-after 7"
	fs := set.Flags()
	fs.StringVar(&rule.prefix, "prefix", "", "the rule is about keys that begin so")
	fs.Int64Var(&rule.days, "days", 0, "days after which objects go")
	fs.Int64Var(&rule.noncurrentDays, "noncurrent-days", 0, "days after which versions go that are not current")
	fs.Int64Var(&rule.keepNewer, "keep-noncurrent", 0, "versions that are not current and stay at any age, 1 to 100")
	fs.Int64Var(&rule.abortAge, "abort-uploads-after", 0, "days after which unfinished multipart uploads go")
	fs.BoolVar(&rule.markers, "expired-delete-markers", false, "remove delete markers that are the only version")
	return a.settingCommand("lifecycle", "The lifecycle rules: when objects, versions and uploads go",
		a.verb(s, "get s3://BUCKET", "Print the rules, as XML or with --json as the AWS CLI does", cobra.ExactArgs(1), a.showLifecycle),
		set,
		a.verb(s, "delete s3://BUCKET", "Delete the rules; nothing more is removed", cobra.ExactArgs(1), a.deleteSetting))
}

func (a *app) showLifecycle(ctx context.Context, c *settingClient, args []string) error {
	if !a.json {
		return a.showSetting(ctx, c, args)
	}
	body, err := c.send(ctx, http.MethodGet, nil, nil)
	if err != nil {
		return err
	}
	rules, err := s3.ParseLifecycle(body)
	if err != nil {
		return err
	}
	return a.printJSON(lifecycleDocument{rules})
}

// lifecycleRules returns the XML of the rules that are to be set.
func (a *app) lifecycleRules(flags *lifecycleRule, files []string) ([]byte, error) {
	if (*flags == lifecycleRule{}) == (len(files) == 0) {
		return nil, usagef("give either a file or a rule by flags, such as --days 30")
	}
	if len(files) > 0 {
		return a.readLifecycle(files[0])
	}
	rules := flags.rules()
	if len(rules) == 0 {
		return nil, usagef("the rule does nothing: give --days, --noncurrent-days, --abort-uploads-after or --expired-delete-markers")
	}
	return checkedLifecycle(rules)
}

// rules returns the rules that the flags ask for: one for each action, since some
// do not go together in one.
func (f *lifecycleRule) rules() (rules []s3.LifecycleRule) {
	add := func(id string, wanted bool) *s3.LifecycleRule {
		if !wanted {
			return &s3.LifecycleRule{}
		}
		rules = append(rules, s3.LifecycleRule{ID: id, Status: s3.Enabled, Filter: &s3.LifecycleFilter{Prefix: &f.prefix}})
		return &rules[len(rules)-1]
	}
	add("days", f.days != 0).Expiration = &s3.LifecycleExpiration{Days: &f.days}
	n := &s3.NoncurrentExpiration{NoncurrentDays: &f.noncurrentDays}
	if f.keepNewer != 0 {
		n.NewerNoncurrentVersions = &f.keepNewer
	}
	add("noncurrent-days", f.noncurrentDays != 0 || f.keepNewer != 0).NoncurrentVersionExpiration = n
	add("abort-uploads", f.abortAge != 0).AbortIncompleteMultipartUpload = &s3.AbortIncomplete{DaysAfterInitiation: &f.abortAge}
	add("expired-delete-markers", f.markers).Expiration = &s3.LifecycleExpiration{ExpiredObjectDeleteMarker: &f.markers}
	return rules
}

// readLifecycle reads rules in XML or JSON.
func (a *app) readLifecycle(path string) ([]byte, error) {
	text, err := a.readAll(path)
	if err != nil {
		return nil, err
	}
	if text = bytes.TrimSpace(text); len(text) == 0 || text[0] != '{' {
		return text, nil
	}
	var doc lifecycleDocument
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&doc); err != nil {
		return nil, usagef("%s: %v", path, err)
	}
	return checkedLifecycle(doc.Rules)
}

func checkedLifecycle(rules []s3.LifecycleRule) ([]byte, error) {
	if err := s3.CheckLifecycle(rules, false); err != nil {
		return nil, err
	}
	return s3.AppendLifecycle(nil, rules), nil
}
