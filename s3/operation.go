package s3

import (
	"strings"
	"unicode"
)

// S3's access logs name operations by method and resource type, such as
// REST.PUT.PART (S3 User Guide, "Amazon S3 server access log format"). The
// resource types are not listed there; these are those of its logs.

// resourceTypes are the types of sub-resources that are not simply their names
// in upper case.
var resourceTypes = map[string]string{
	"delete": "MULTI_OBJECT_DELETE", "list-type": "BUCKET", "logging": "LOGGING_STATUS",
	"object-lock": "OBJECT_LOCK_CONFIGURATION", "policy": "BUCKETPOLICY", "uploadId": "UPLOAD", "versions": "BUCKETVERSIONS",
}

// Operation returns the name that S3's access logs have for a method on a
// resource with at most one sub-resource, also where there is no such action:
// its logs show the attempt. It is empty for methods that S3 does not have.
func Operation(method string, level Level, sub string) string {
	switch method {
	case "GET", "HEAD", "PUT", "POST", "DELETE":
	default:
		return ""
	}
	return "REST." + method + "." + resourceType(level, sub)
}

func resourceType(level Level, sub string) string {
	switch {
	case sub == "":
		return [...]string{"SERVICE", "BUCKET", "OBJECT"}[level]
	case level == ObjectLevel && (sub == "tagging" || sub == "attributes"):
		return "OBJECT_" + strings.ToUpper(sub)
	case resourceTypes[sub] != "":
		return resourceTypes[sub]
	}
	return upperSnake(sub)
}

// upperSnake writes a name such as publicAccessBlock or legal-hold as
// PUBLIC_ACCESS_BLOCK or LEGAL_HOLD.
func upperSnake(name string) string {
	var b strings.Builder
	for _, r := range name {
		switch {
		case r == '-':
			r = '_'
		case unicode.IsUpper(r):
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToUpper(r))
	}
	return b.String()
}

// operation returns the name of a row of the table.
func (a *Action) operation() string {
	switch {
	case a.With == copySource && a.Sub == "":
		return "REST.COPY.OBJECT"
	case a.With == copySource:
		return "REST.COPY.PART"
	case a.Method == "PUT" && (a.Sub == "uploadId" || a.With == "partNumber"):
		return "REST.PUT.PART"
	case a.Name == PostObject:
		return "REST.POST.OBJECT"
	}
	return Operation(a.Method, a.Level, a.Sub)
}

// named fills in the operations of the table.
func named(rows []Action) []Action {
	for i := range rows {
		rows[i].Operation = rows[i].operation()
	}
	return rows
}
