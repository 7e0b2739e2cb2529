package layering

// A rule is what the packages of one directory may import besides the
// standard library.
type rule struct {
	dir string
	// own lists directories of this module, "." for its root, "*" for all.
	own []string
	// third lists modules or packages of others; a name covers what is
	// below it.
	third []string
}

// rules has one row for each directory with Go code; code without a row
// fails the test.
var rules = []rule{
	{dir: "."},

	{dir: "sign"},
	{dir: "sign/httpsign", own: []string{"sign"}},

	{dir: "limits", own: []string{".", "sign"}, third: []string{"github.com/gabriel-vasile/mimetype"}},
	{dir: "policy", own: []string{"."}},
	{dir: "s3", own: []string{"."}},
	{dir: "audit", own: []string{"."}},
	{dir: "audit/spool", own: []string{".", "audit", "internal/durable"}},
	{dir: "audit/bucketlog", own: []string{".", "audit", "audit/spool", "internal/durable"}},
	{dir: "audit/trail", own: []string{".", "audit", "internal/durable"}, third: []string{"github.com/klauspost/compress/gzip"}},

	{dir: "store", own: []string{".", "internal/md5lanes", "store/sealed"}, third: []string{"github.com/minio/crc64nvme"}},
	{dir: "store/sealed"},
	{dir: "store/storetest", own: []string{".", "store", "store/sealed"}},
	{dir: "store/diskstore", own: []string{".", "store"}, third: []string{
		"github.com/cockroachdb/pebble/v2",
		"github.com/cockroachdb/errors/oserror", // pebble's file system reports its errors with it
		"github.com/minio/crc64nvme",
		"golang.org/x/sys/unix",
		"google.golang.org/protobuf/encoding/protowire",
	}},

	{dir: "store/s3store", own: []string{".", "store"}, third: []string{
		"github.com/aws/aws-sdk-go-v2",
		"github.com/aws/smithy-go", // the parts that the AWS SDK is made of
	}},

	{dir: "lifecycle", own: []string{".", "s3", "store"}},

	{dir: "state", own: []string{"."}},
	{dir: "state/statetest", own: []string{".", "state"}},
	{dir: "state/ledgertest", own: []string{".", "state"}, third: []string{"pgregory.net/rapid", "github.com/anishathalye/porcupine"}},
	{dir: "state/shards", own: []string{".", "state"}},
	{dir: "state/sqlstate", own: []string{".", "state"}, third: []string{
		"github.com/jackc/pgx/v5",
		"modernc.org/sqlite",
	}},

	{dir: "server", own: []string{".", "sign", "limits", "policy", "s3", "store", "state", "audit", "audit/bucketlog", "lifecycle"}, third: []string{"golang.org/x/time/rate"}},

	{dir: "notify", own: []string{".", "audit/spool", "lifecycle", "limits", "s3"}},
	{dir: "client", own: []string{".", "sign"}},
	{dir: "admin", own: []string{".", "client", "limits", "policy", "sign", "state"}},

	{dir: "cmd/daypass", own: []string{"*"}, third: []string{
		"github.com/BurntSushi/toml",
		"github.com/aws/aws-sdk-go-v2",
		"github.com/prometheus/client_golang",
		"github.com/schollz/progressbar/v3",
		"github.com/spf13/cobra",
		"github.com/spf13/pflag",
		"golang.org/x/term",
		"rsc.io/qr",
	}},

	{dir: "internal/allocbudget"},
	{dir: "internal/bench", own: []string{"sign"}, third: []string{"github.com/HdrHistogram/hdrhistogram-go", "golang.org/x/sys/unix"}},
	{dir: "internal/bench/flame"},
	{dir: "internal/bench/growth", own: []string{".", "sign", "store", "store/diskstore"}, third: []string{"golang.org/x/sys/unix"}},
	{dir: "internal/bench/table", own: []string{"internal/bench", "internal/bench/flame", "sign"}, third: []string{"golang.org/x/sys/unix"}},
	{dir: "internal/durable"},
	{dir: "internal/h1", third: []string{"golang.org/x/sys/unix"}},
	{dir: "internal/explain", own: []string{".", "limits", "s3", "sign"}},
	{dir: "internal/leaks", own: []string{".", "sign"}},
	{dir: "internal/instrument", own: []string{".", "store", "state"}},
	{dir: "internal/layering"},
	{dir: "internal/md5lanes", third: []string{"golang.org/x/sys/cpu"}},
	{dir: "internal/md5lanes/gen"},
	{dir: "internal/scalesim"},
	{dir: "internal/scalesim/measure", own: []string{"limits", "sign"}},
	{dir: "internal/tracing", own: []string{".", "audit", "s3", "server", "state"}, third: []string{
		"go.opentelemetry.io/otel",
		"google.golang.org/protobuf/encoding/protowire",
	}},
}

// testModules may be imported by every test and by the conformance suites.
var testModules = []string{
	"github.com/anishathalye/porcupine",
	"github.com/google/go-cmp",
	"github.com/rogpeppe/go-internal",
	"go.opentelemetry.io/proto/slim/otlp", // decodes what internal/tracing writes by hand
	"google.golang.org/protobuf/proto",
	"pgregory.net/rapid",
}

// engines are imported in the directories that are named here and nowhere
// else, tests included.
var engines = []struct {
	module string
	dirs   []string
}{
	{"github.com/cockroachdb/pebble", []string{"store/diskstore"}},
	{"modernc.org/sqlite", []string{"state/sqlstate"}},
	{"github.com/jackc/pgx", []string{"state/sqlstate"}},
	{"github.com/aws/aws-sdk-go-v2", []string{"cmd/daypass", "store/s3store"}},
}

// vagueNames say nothing about what a package holds.
var vagueNames = []string{"util", "utils", "common", "helper", "helpers", "types", "pkg", "misc", "lib"}

const (
	maxLines  = 60 // of a function, from "func" to its closing brace
	longLines = 45 // of a function that only a few may exceed
	longShare = 5  // per cent of all functions that may exceed longLines
)

// longFunctions may exceed maxLines: tables, each with its reason.
var longFunctions = map[string]string{}

// mutable lists package-level variables that are written to, each with its
// reason.
var mutable = map[string]string{}

// maxFile is the size in bytes that no committed file exceeds.
const maxFile = 1 << 20

// unwanted are words that no committed line may hold, in two parts so that
// this file does not: the hosts of package registries, since every client is
// set up for its own, and the directory of somebody's checkout.
var unwanted = [][2]string{
	{"registry.npmjs", ".org"},
	{"registry.yarnpkg", ".com"},
	{"proxy.golang", ".org"},
	{"sum.golang", ".org"},
	{"goproxy", ".io"},
	{"deb.debian", ".org"},
	{"files.pythonhosted", ".org"},
	{"/work", "/"},
	{`"resolved": "`, "http"},
}
