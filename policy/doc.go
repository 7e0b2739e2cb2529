// Package policy reads IAM policy documents, evaluates requests against them
// as AWS does, and explains the outcome.
//
// Parse compiles a document once: an identity-based policy, a bucket policy,
// a session policy or a role's trust policy. Evaluate then decides a Request
// by a Set of compiled policies, in the order of the IAM User Guide, "Policy
// evaluation logic": an explicit deny anywhere wins; within one account a
// bucket policy that names the caller suffices; a session policy and a
// permissions boundary take away; across accounts both sides must allow.
// Explain does the same and tells about every statement why it did or did not
// apply.
//
// Condition keys are asked for by name through Request.Context, so that only
// those which a policy mentions are ever computed. Compiled policies are
// immutable and safe for concurrent use. The time that Evaluate takes is
// bounded by the size of the documents, which is limited, times the length of
// the values compared, whatever wildcards the documents hold.
//
// Where AWS's documentation leaves a choice, this package takes the one that
// allows less; each such place says so.
package policy
