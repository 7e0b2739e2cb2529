package s3

import (
	"time"

	"github.com/daypass/daypass"
)

// The bodies of STS, which is spoken on the same endpoint (AWS Security Token
// Service API Reference).

const stsNamespace = "https://sts.amazonaws.com/doc/2011-06-15/"

// TemporaryCredentials is a temporary access key as STS shows it.
type TemporaryCredentials struct {
	AccessKeyID         string
	Secret, Token       daypass.Secret
	Expires             time.Time
	AssumedARN          string // with AssumeRole
	AssumedID           string // with AssumeRole
	PackedPolicyPercent int    // of the policy's greatest size; 0: no policy
}

// Append appends the body of AssumeRole or GetSessionToken.
func (t *TemporaryCredentials) Append(dst []byte, action daypass.Action, requestID string) []byte {
	w := writer{b: dst}
	w.stsOpen(string(action))
	if t.AssumedARN != "" {
		w.open("AssumedRoleUser")
		w.text("AssumedRoleId", t.AssumedID)
		w.text("Arn", t.AssumedARN)
		w.close("AssumedRoleUser")
	}
	w.open("Credentials")
	w.text("AccessKeyId", t.AccessKeyID)
	w.text("SecretAccessKey", string(t.Secret))
	w.text("SessionToken", string(t.Token))
	w.text("Expiration", t.Expires.UTC().Format(time.RFC3339))
	w.close("Credentials")
	if t.PackedPolicyPercent > 0 {
		w.int("PackedPolicySize", int64(t.PackedPolicyPercent))
	}
	w.stsClose(string(action), requestID)
	return w.b
}

// AppendCallerIdentity appends the body of GetCallerIdentity.
func AppendCallerIdentity(dst []byte, arn, userID, account, requestID string) []byte {
	w := writer{b: dst}
	w.stsOpen("GetCallerIdentity")
	w.text("Arn", arn)
	w.text("UserId", userID)
	w.text("Account", account)
	w.stsClose("GetCallerIdentity", requestID)
	return w.b
}

// AppendSTSError appends the body of an error of STS.
func AppendSTSError(dst []byte, code, message, requestID string) []byte {
	w := writer{b: dst, replace: true}
	w.open(`ErrorResponse xmlns="` + stsNamespace + `"`)
	w.open("Error")
	w.text("Type", "Sender")
	w.text("Code", code)
	w.text("Message", message)
	w.close("Error")
	w.text("RequestId", requestID)
	w.close("ErrorResponse")
	return w.b
}

func (w *writer) stsOpen(action string) {
	w.open(action + `Response xmlns="` + stsNamespace + `"`)
	w.open(action + "Result")
}

func (w *writer) stsClose(action, requestID string) {
	w.close(action + "Result")
	w.open("ResponseMetadata")
	w.text("RequestId", requestID)
	w.close("ResponseMetadata")
	w.close(action + "Response")
}
