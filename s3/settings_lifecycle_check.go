package s3

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/daypass/daypass"
)

// CheckLifecycle checks rules as S3 does, its words included (S3 API reference,
// PutBucketLifecycleConfiguration; S3 User Guide, "Lifecycle configuration
// elements"). transits says that one of them has transitions, which are refused
// once nothing else is wrong. MalformedXML, InvalidRequest, InvalidArgument,
// NotImplemented.
func CheckLifecycle(rules []LifecycleRule, transits bool) error {
	switch {
	case len(rules) == 0:
		return lifecycleRefused("At least one lifecycle rule must be specified.")
	case len(rules) > MaxLifecycleRules:
		return lifecycleRefused("The number of lifecycle rules must not exceed the allowed limit of 1000 rules.")
	}
	ids := make(map[string]bool)
	// One configuration is of one kind: the first rule says which.
	filters := rules[0].Filter != nil
	for i := range rules {
		r := &rules[i]
		switch {
		case tooLong(r.ID, maxLifecycleID):
			return lifecycleArgument("ID length should not exceed allowed limit of 255", "ID", r.ID)
		case r.ID != "" && ids[r.ID]:
			return lifecycleArgument("Rule ID must be unique. Found same ID for more than one rule", "ID", r.ID)
		case r.Status != Enabled && r.Status != Disabled:
			return errMalformed()
		}
		ids[r.ID] = true
		if err := r.checkScope(filters); err != nil {
			return err
		}
		if err := r.checkActions(transits); err != nil {
			return err
		}
	}
	if err := checkOverlaps(rules, filters); err != nil {
		return err
	}
	if transits {
		return &daypass.Error{Code: daypass.NotImplemented,
			Message: "Transitions to other storage classes are not implemented: there is one storage class."}
	}
	return nil
}

// checkScope checks what a rule is about.
func (r *LifecycleRule) checkScope(filters bool) error {
	switch {
	case r.Filter == nil && r.Prefix == nil:
		return errMalformed()
	case filters && r.Prefix != nil:
		return lifecycleRefused("Base level prefix cannot be used in Lifecycle V2, prefixes are only supported in the Filter.")
	case !filters && r.Filter != nil:
		return lifecycleRefused("Filter element can only be used in Lifecycle V2.")
	case !filters && r.NoncurrentVersionExpiration != nil && r.NoncurrentVersionExpiration.NewerNoncurrentVersions != nil:
		return lifecycleRefused("NewerNoncurrentVersions element can only be used in Lifecycle V2.")
	case !filters:
		return checkLifecyclePrefix(r.Prefix)
	}
	f := r.Filter
	n := 0
	for _, given := range []bool{f.Prefix != nil, f.Tag != nil, f.ObjectSizeGreaterThan != nil, f.ObjectSizeLessThan != nil, f.And != nil} {
		if given {
			n++
		}
	}
	if n > 1 || f.And != nil && f.And.Prefix == nil && len(f.And.Tags) == 0 && f.And.ObjectSizeGreaterThan == nil && f.And.ObjectSizeLessThan == nil {
		return errMalformed()
	}
	all := r.Scope()
	if err := checkLifecyclePrefix(all.Prefix); err != nil {
		return err
	}
	if err := checkFilterTags(all.Tags); err != nil {
		return err
	}
	return checkSizes(all.ObjectSizeGreaterThan, all.ObjectSizeLessThan)
}

// Scope returns what a rule is about in one form, however it is written.
func (r *LifecycleRule) Scope() LifecycleAnd {
	f := r.Filter
	switch {
	case f == nil:
		return LifecycleAnd{Prefix: r.Prefix}
	case f.And != nil:
		return *f.And
	}
	all := LifecycleAnd{Prefix: f.Prefix, ObjectSizeGreaterThan: f.ObjectSizeGreaterThan, ObjectSizeLessThan: f.ObjectSizeLessThan}
	if f.Tag != nil {
		all.Tags = []Tag{*f.Tag}
	}
	return all
}

func checkLifecyclePrefix(p *string) error {
	if p != nil && len(*p) > maxLifecyclePrefix {
		return lifecycleArgument("The maximum size of a prefix is 1024.", "Prefix", *p)
	}
	return nil
}

func checkFilterTags(tags []Tag) error {
	if len(tags) > maxObjectTags {
		return lifecycleRefused("The number of tags in a lifecycle filter must not exceed the allowed limit of 10 tags.")
	}
	seen := make(map[string]bool)
	for _, t := range tags {
		switch {
		case seen[t.Key]:
			return lifecycleRefused("Duplicate Tag Keys are not allowed.")
		case t.Key == "":
			return errMalformed()
		case tooLong(t.Key, maxTagKey):
			return &daypass.Error{Code: InvalidTag, Message: "The TagKey you have provided is invalid"}
		case tooLong(t.Value, maxTagValue):
			return &daypass.Error{Code: InvalidTag, Message: "The TagValue you have provided is invalid"}
		}
		seen[t.Key] = true
	}
	return nil
}

func checkSizes(greater, less *int64) error {
	switch {
	case greater != nil && (*greater < 0 || *greater > maxLifecycleSize):
		return lifecycleRefused("'ObjectSizeGreaterThan' should be between 0 and 1099511627776000.")
	case less != nil && (*less < 1 || *less > maxLifecycleSize):
		return lifecycleRefused("'ObjectSizeLessThan' should be between 1 and 1099511627776000.")
	case greater != nil && less != nil && *less <= *greater:
		return lifecycleRefused("'ObjectSizeLessThan' has to be a value greater than 'ObjectSizeGreaterThan'.")
	}
	return nil
}

// checkActions checks what a rule does.
func (r *LifecycleRule) checkActions(transits bool) error {
	e, n, a := r.Expiration, r.NoncurrentVersionExpiration, r.AbortIncompleteMultipartUpload
	if e == nil && n == nil && a == nil && !transits {
		return lifecycleRefused("At least one action needs to be specified in a rule")
	}
	all := r.Scope()
	sized := all.ObjectSizeGreaterThan != nil || all.ObjectSizeLessThan != nil
	if e != nil {
		if err := e.check(len(all.Tags) > 0, sized); err != nil {
			return err
		}
	}
	if n != nil {
		if err := n.check(); err != nil {
			return err
		}
	}
	switch {
	case a == nil:
	case a.DaysAfterInitiation == nil:
		return errMalformed()
	case *a.DaysAfterInitiation < 1:
		return notPositive("DaysAfterInitiation", "AbortIncompleteMultipartUpload", *a.DaysAfterInitiation)
	case len(all.Tags) > 0:
		return lifecycleRefused("AbortIncompleteMultipartUpload cannot be specified with Tags.")
	case sized:
		return lifecycleRefused("AbortIncompleteMultipartUpload cannot be specified with Object Size.")
	}
	return nil
}

func (e *LifecycleExpiration) check(tagged, sized bool) error {
	n := 0
	for _, given := range []bool{e.Days != nil, e.Date != nil, e.ExpiredObjectDeleteMarker != nil} {
		if given {
			n++
		}
	}
	switch {
	case n != 1:
		return errMalformed()
	case e.Days != nil && *e.Days < 1:
		return notPositive("Days", "Expiration", *e.Days)
	case e.Date != nil && !e.Date.Equal(e.Date.Truncate(24*time.Hour)):
		return lifecycleArgument("'Date' must be at midnight GMT", "Date", e.Date.Format(time.RFC3339))
	case e.ExpiredObjectDeleteMarker != nil && tagged:
		return lifecycleRefused("ExpiredObjectDeleteMarker cannot be specified with Tags.")
	case e.ExpiredObjectDeleteMarker != nil && sized:
		return lifecycleRefused("ExpiredObjectDeleteMarker cannot be specified with Object Size.")
	}
	return nil
}

func (n *NoncurrentExpiration) check() error {
	switch newer := n.NewerNoncurrentVersions; {
	case n.NoncurrentDays == nil:
		return errMalformed()
	case *n.NoncurrentDays < 1:
		return notPositive("NoncurrentDays", "NoncurrentVersionExpiration", *n.NoncurrentDays)
	case newer != nil && *newer < 1:
		return notPositive("NewerNoncurrentVersions", "NoncurrentVersionExpiration", *newer)
	case newer != nil && *newer > maxNewerNoncurrent:
		return lifecycleArgument("'NewerNoncurrentVersions' for NoncurrentVersionExpiration action must be an integer between 1 and 100",
			"NewerNoncurrentVersions", strconv.FormatInt(*newer, 10))
	}
	return nil
}

// checkOverlaps refuses rules of the old kind that could both act on an object:
// where rules have no filters, S3 wants no two prefixes for one action of which
// one begins with the other.
func checkOverlaps(rules []LifecycleRule, filters bool) error {
	if filters {
		return nil
	}
	for i := range rules {
		for j := range rules[:i] {
			a, b := *rules[j].Prefix, *rules[i].Prefix
			if !strings.HasPrefix(a, b) && !strings.HasPrefix(b, a) {
				continue
			}
			if action := rules[i].sharesAction(&rules[j]); action != "" {
				return lifecycleRefused("Found overlapping prefixes '%s' and '%s' for same action type '%s'", a, b, action)
			}
		}
	}
	return nil
}

// sharesAction returns the name of an action that both rules have, "" for none.
func (r *LifecycleRule) sharesAction(other *LifecycleRule) string {
	switch {
	case r.Expiration != nil && other.Expiration != nil:
		return "Expiration"
	case r.NoncurrentVersionExpiration != nil && other.NoncurrentVersionExpiration != nil:
		return "NoncurrentVersionExpiration"
	case r.AbortIncompleteMultipartUpload != nil && other.AbortIncompleteMultipartUpload != nil:
		return "AbortIncompleteMultipartUpload"
	}
	return ""
}

func notPositive(name, action string, n int64) error {
	return lifecycleArgument("'"+name+"' for "+action+" action must be a positive integer", name, strconv.FormatInt(n, 10))
}

func lifecycleRefused(format string, args ...any) error {
	return &daypass.Error{Code: daypass.InvalidRequest, Message: fmt.Sprintf(format, args...)}
}

func lifecycleArgument(message, name, value string) error {
	return &daypass.Error{Code: daypass.InvalidArgument, Message: message, Details: []daypass.Detail{
		{Name: "ArgumentName", Value: name}, {Name: "ArgumentValue", Value: value},
	}}
}
