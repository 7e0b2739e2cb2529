package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The examples in docs/limits are run as they stand there, in each language,
// and what they make is put to use. So they cannot rot.

const limitsDocs = "../docs/limits"

// A block is a fenced block of code in a page.
type block struct {
	page string // without .md
	lang string // what follows the fence, such as "js v3"
	text string
}

// docBlocks returns all blocks of all pages, the README's first.
func docBlocks(t *testing.T) []block {
	t.Helper()
	pages, err := filepath.Glob(filepath.Join(limitsDocs, "*.md"))
	if err != nil || len(pages) != 1+len(docUses) {
		t.Fatalf("%d pages in %s, %v", len(pages), limitsDocs, err)
	}
	var blocks []block
	for _, page := range pages {
		blocks = append(blocks, pageBlocks(t, page)...)
	}
	return blocks
}

// pageBlocks returns the blocks of one page.
func pageBlocks(t *testing.T, page string) (blocks []block) {
	t.Helper()
	lines := strings.Split(read(t, page), "\n")
	for i := 0; i < len(lines); i++ {
		lang, ok := strings.CutPrefix(lines[i], "```")
		if !ok {
			continue
		}
		end := i + 1 + slices.Index(lines[i+1:], "```")
		blocks = append(blocks, block{strings.TrimSuffix(filepath.Base(page), ".md"), lang, strings.Join(lines[i+1:end], "\n") + "\n"})
		i = end
	}
	return blocks
}

// pick returns the blocks of some languages.
func pick(blocks []block, langs ...string) []block {
	var picked []block
	for _, b := range blocks {
		if slices.Contains(langs, b.lang) {
			picked = append(picked, b)
		}
	}
	return picked
}

// A language runs blocks: those of the README first, which the others use, and
// each other block, which sets url (or form), followed by a report.
type language struct {
	name  string
	langs []string
	// report is what a program prints after an example, with its page in %q.
	report string
	// scoped says that examples stand in braces, but for langs[0].
	scoped bool
	run    func(t *testing.T, s *server, program string, env ...string) string
}

var languages = []language{
	{name: "js v3", langs: []string{"js", "js v3"}, scoped: true, report: "console.log(JSON.stringify({ page: %q, url }));\n", run: runNode},
	{name: "js v2", langs: []string{"js", "js v2"}, scoped: true, report: "console.log(JSON.stringify({ page: %q, url }));\n", run: runNode},
	{name: "python", langs: []string{"python"}, report: "import json; print(json.dumps({'page': %q, 'url': url}))\n", run: runPython},
}

// program joins blocks to one program.
func (l *language) program(blocks []block) string {
	var b strings.Builder
	for _, e := range pick(blocks, l.langs...) {
		if e.page == "README" {
			b.WriteString(e.text)
		}
	}
	for _, e := range pick(blocks, l.langs...) {
		report := fmt.Sprintf(l.report, e.page)
		switch {
		case e.page == "README":
		case !strings.Contains(e.text, "url = "): // functions for those that follow
			b.WriteString(e.text)
		case l.scoped:
			b.WriteString("{\n" + e.text + report + "}\n")
		default:
			b.WriteString(e.text + report)
		}
	}
	return b.String()
}

// docEnv is what the examples find in their environment.
func docEnv(s *server, more ...string) []string {
	return programEnv(append([]string{
		"AWS_ENDPOINT_URL=" + s.url, "AWS_REGION=" + region, "AWS_DEFAULT_REGION=" + region,
		"AWS_ACCESS_KEY_ID=" + accessKey, "AWS_SECRET_ACCESS_KEY=" + secretKey,
		"AWS_CONFIG_FILE=" + os.DevNull, "AWS_SHARED_CREDENTIALS_FILE=" + os.DevNull, "AWS_EC2_METADATA_DISABLED=true",
		"AWS_SDK_JS_SUPPRESS_MAINTENANCE_MODE_MESSAGE=1", "PYTHONDONTWRITEBYTECODE=1", "NODE_NO_WARNINGS=1"}, more...)...)
}

// runText runs a program that is read from standard input.
func runText(t *testing.T, s *server, text, dir string, env []string, command ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), command[0], command[1:]...)
	cmd.Env, cmd.Dir, cmd.Stdin = docEnv(s, env...), dir, strings.NewReader(text)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s\n%s", err, out, &stderr)
	}
	return string(out)
}

func runNode(t *testing.T, s *server, text string, env ...string) string {
	t.Helper()
	return runText(t, s, text, "", env, need(t, "node", "node"), "--input-type=module", "-")
}

func runPython(t *testing.T, s *server, text string, env ...string) string {
	t.Helper()
	return runText(t, s, text, "", env, need(t, "python", "/usr/bin/python3"), "-")
}

// runGo runs a program of one or more files, as if it were a package of the
// module in dir.
func runGo(t *testing.T, s *server, dir string, files ...string) string {
	t.Helper()
	args, tmp := []string{"run"}, t.TempDir()
	for i, text := range files {
		args = append(args, write(t, filepath.Join(tmp, fmt.Sprintf("main%d.go", i)), text))
	}
	return runText(t, s, "", dir, nil, append([]string{"go"}, args...)...)
}

// An example is the URL that one of the docs' examples made.
type example struct{ Page, URL string }

func examples(t *testing.T, out string) []example {
	t.Helper()
	var made []example
	for line := range strings.Lines(out) {
		if strings.HasPrefix(line, "{") {
			var e example
			if err := json.Unmarshal([]byte(line), &e); err != nil || e.URL == "" {
				t.Fatalf("%v in %s", err, line)
			}
			made = append(made, e)
		}
	}
	return made
}

// docServer is a server with the objects that the examples name.
func docServer(t *testing.T) *user {
	t.Helper()
	u := newUser(serve(t, "--max-lifetime", "90d", "--trusted-proxy", "127.0.0.1"), "photos")
	u.fill(t, map[string]string{
		"puppy.jpg": fox, "private/secret.txt": "secret", "holiday/beach.jpg": "beach", "holiday/day 1/notes.txt": "notes",
		"holiday/index.html": "<img src=beach.jpg>",
	})
	return u
}

// fox has the ETag that the examples name.
const fox = "The quick brown fox jumps over the lazy dog"

func TestLimitsDocs(t *testing.T) {
	t.Parallel()
	blocks := docBlocks(t)
	for _, l := range languages {
		t.Run(l.name, func(t *testing.T) {
			t.Parallel()
			u := docServer(t)
			u.useExamples(t, examples(t, l.run(t, u.server, l.program(blocks))))
		})
	}
	t.Run("go", func(t *testing.T) {
		t.Parallel()
		u := docServer(t)
		helper, rest := goProgram(t, blocks)
		u.useExamples(t, examples(t, runGo(t, u.server, "..", helper, rest)))
	})
	for lang, dir := range map[string]string{"go": "..", "go aws": "", "go minio": ""} {
		t.Run("README "+lang, func(t *testing.T) {
			t.Parallel()
			u := docServer(t)
			text := pick(blocks[:slices.IndexFunc(blocks, func(b block) bool { return b.lang == lang })+1], lang)
			url := strings.TrimSpace(runGo(t, u.server, dir, text[0].text))
			docUses["uses"](t, u, []string{url})
		})
	}
}

// goProgram makes one program of the README's and of the examples on the other
// pages.
func goProgram(t *testing.T, blocks []block) (helper, rest string) {
	t.Helper()
	var b, calls strings.Builder
	b.WriteString(`package main
import ("crypto/rand"; "encoding/json"; "net/netip"; "os"; "time"; "github.com/daypass/daypass"; "github.com/daypass/daypass/limits"; "github.com/daypass/daypass/sign")
var _, _, _, _, _ = rand.Reader, netip.Prefix{}, os.Getenv, time.Now, sign.Param{}
func report(page, url string, err error) {
	if err != nil { panic(err) }
	json.NewEncoder(os.Stdout).Encode(map[string]string{"page": page, "url": url})
}
`)
	for i, e := range pick(blocks, "go") {
		if e.page == "README" {
			helper = strings.Replace(e.text, "func main()", "func readme()", 1)
			continue
		}
		fmt.Fprintf(&b, "func example%d() (string, error) {\n%sreturn url, err\n}\n", i, e.text)
		fmt.Fprintf(&calls, "url, err = example%d()\nreport(%q, url, err)\n", i, e.page)
	}
	fmt.Fprintf(&b, "func main() {\nreadme()\nvar url string\nvar err error\n%s}\nvar _ daypass.Action\nvar _ limits.Set\n", &calls)
	return helper, b.String()
}

// useExamples uses what the examples of one language made.
func (u *user) useExamples(t *testing.T, made []example) {
	t.Helper()
	urls := map[string][]string{}
	for _, e := range made {
		urls[e.Page] = append(urls[e.Page], e.URL)
	}
	for page, use := range docUses {
		t.Run(page, func(t *testing.T) {
			if len(urls[page]) == 0 {
				t.Fatalf("docs/limits/%s.md has no example", page)
			}
			use(t, u, urls[page])
		})
	}
}

// from sends a request as a trusted proxy passes it on.
func (u *user) from(t *testing.T, addr, method, url, body string, headers ...string) answer {
	t.Helper()
	return u.do(t, method, url, body, func(r *http.Request) {
		r.Header.Set("X-Forwarded-For", addr)
		for i := 0; i < len(headers); i += 2 {
			r.Header.Set(headers[i], headers[i+1])
		}
	})
}

// docUses tells for each page what the URLs of its examples do.
var docUses = map[string]func(t *testing.T, u *user, urls []string){
	"name": func(t *testing.T, u *user, urls []string) {
		u.do(t, "GET", urls[0], "", nil).granted(t, fox)
	},
	"uses": func(t *testing.T, u *user, urls []string) {
		u.do(t, "GET", urls[0], "", nil).granted(t, fox)
		u.do(t, "GET", urls[0], "", nil).refusedBy(t, 403, "AccessDenied", "x-daypass-uses")
	},
	"not-before": func(t *testing.T, u *user, urls []string) {
		e := u.do(t, "GET", urls[0], "", nil).refusedBy(t, 403, "AccessDenied", "x-daypass-not-before")
		if e.Message != "Request is not valid yet" || e.Allowed <= e.Asked {
			t.Errorf("%+v", e)
		}
	},
	"until": func(t *testing.T, u *user, urls []string) {
		u.do(t, "GET", urls[0], "", nil).granted(t, fox)
	},
	"ip": func(t *testing.T, u *user, urls []string) {
		u.from(t, "203.0.113.7", "GET", urls[0], "").granted(t, fox)
		u.from(t, "2001:db8::1", "GET", urls[0], "").granted(t, fox)
		e := u.from(t, "198.51.100.7", "GET", urls[0], "").refusedBy(t, 403, "AccessDenied", "x-daypass-ip")
		if e.Allowed != "203.0.113.0/24,2001:db8::/32" || e.Asked != "198.51.100.7" {
			t.Errorf("%+v", e)
		}
	},
	"bind": func(t *testing.T, u *user, urls []string) {
		u.from(t, "203.0.113.7", "GET", urls[0], "").granted(t, fox)
		u.from(t, "203.0.113.8", "GET", urls[0], "").refusedBy(t, 403, "AccessDenied", "x-daypass-bind")
		u.from(t, "203.0.113.7", "GET", urls[0], "").granted(t, fox)
	},
	"size": func(t *testing.T, u *user, urls []string) {
		u.do(t, "PUT", urls[0], "", nil).refusedBy(t, 400, "EntityTooSmall", "x-daypass-size")
		u.do(t, "PUT", urls[0], strings.Repeat("x", 10<<20+1), nil).refusedBy(t, 400, "EntityTooLarge", "x-daypass-size")
		u.do(t, "PUT", urls[0], "report", nil).granted(t, "")
	},
	"type": func(t *testing.T, u *user, urls []string) {
		u.do(t, "PUT", urls[0], png, contentType("image/png")).granted(t, "")
		u.do(t, "PUT", urls[0], page, contentType("text/html")).refusedBy(t, 403, "AccessDenied", "x-daypass-type")
		u.do(t, "PUT", urls[0], page, contentType("image/png")).refusedBy(t, 403, "AccessDenied", "x-daypass-type")
	},
	"overwrite": func(t *testing.T, u *user, urls []string) {
		u.do(t, "PUT", urls[0], "first", nil).granted(t, "")
		u.do(t, "PUT", urls[0], "second", nil).refusedBy(t, 403, "AccessDenied", "x-daypass-overwrite")
	},
	"rate": func(t *testing.T, u *user, urls []string) {
		u.do(t, "GET", urls[0], "", nil).granted(t, fox)
	},
	"prefix": func(t *testing.T, u *user, urls []string) {
		get, list := urls[0], urls[1]
		u.do(t, "GET", below(get, "beach.jpg"), "", nil).granted(t, "beach")
		u.do(t, "GET", below(get, "day%201/notes.txt"), "", nil).granted(t, "notes")
		u.do(t, "GET", strings.Replace(get, "/holiday/", "/private/secret.txt", 1), "", nil).refusedBy(t, 403, "AccessDenied", "x-daypass-prefix")
		if a := u.do(t, "GET", list, "", nil); a.StatusCode != 200 || !strings.Contains(a.body, "<Key>holiday/day 1/notes.txt</Key>") || strings.Contains(a.body, "private") {
			t.Errorf("the listing answers %d\n%s", a.StatusCode, a.body)
		}
		if a := u.do(t, "GET", list+"&prefix=holiday/day%201/&max-keys=5&encoding-type=url", "", nil); a.StatusCode != 200 || !strings.Contains(a.body, "<KeyCount>1</KeyCount>") {
			t.Errorf("the listing below answers %d\n%s", a.StatusCode, a.body)
		}
		u.do(t, "GET", list+"&prefix=", "", nil).refusedBy(t, 403, "AccessDenied", "x-daypass-prefix")
	},
	"etag": func(t *testing.T, u *user, urls []string) {
		u.do(t, "GET", urls[0], "", nil).granted(t, fox)
		u.fill(t, map[string]string{"puppy.jpg": "changed"})
		u.do(t, "GET", urls[0], "", nil).refusedBy(t, 412, "PreconditionFailed", "x-daypass-etag")
		u.fill(t, map[string]string{"puppy.jpg": fox})
	},
	"pin": func(t *testing.T, u *user, urls []string) {
		u.do(t, "GET", urls[0], "", nil).refusedBy(t, 403, "AccessDenied", "x-daypass-pin")
		u.do(t, "GET", urls[0], "", pinValue("2469")).refusedBy(t, 403, "AccessDenied", "x-daypass-pin")
		u.do(t, "GET", urls[0], "", pinValue("2468")).granted(t, fox)
	},
	"origin": func(t *testing.T, u *user, urls []string) {
		u.from(t, "203.0.113.7", "GET", urls[0], "", "Origin", "https://app.example.com").granted(t, fox)
		u.from(t, "203.0.113.7", "GET", urls[0], "", "Referer", "https://app.example.com/page?x#y").granted(t, fox)
		u.from(t, "203.0.113.7", "GET", urls[0], "", "Origin", "https://app.example.com.evil.example").refusedBy(t, 403, "AccessDenied", "x-daypass-origin")
		u.do(t, "GET", urls[0], "", nil).refusedBy(t, 403, "AccessDenied", "x-daypass-origin")
	},
	"tls": func(t *testing.T, u *user, urls []string) {
		u.do(t, "GET", urls[0], "", nil).refusedBy(t, 403, "AccessDenied", "x-daypass-tls")
		u.from(t, "203.0.113.7", "GET", urls[0], "", "X-Forwarded-Proto", "https").granted(t, fox)
		u.from(t, "203.0.113.7", "GET", urls[0], "", "X-Forwarded-Proto", "http").refusedBy(t, 403, "AccessDenied", "x-daypass-tls")
	},
}

// statusComment is how a line of shell says which status it prints.
var statusComment = regexp.MustCompile(`(?m)# (\d{3})$`)

// TestLimitsDocsShell runs the blocks of shell, each page's in a directory of
// its own, as somebody at 203.0.113.7 who speaks TLS to a proxy.
func TestLimitsDocsShell(t *testing.T) {
	t.Parallel()
	need(t, "curl", "curl")
	u := docServer(t)
	home := t.TempDir()
	write(t, filepath.Join(home, ".curlrc"), "silent\nshow-error\nmax-time = 60\nheader = \"X-Forwarded-For: 203.0.113.7\"\nheader = \"X-Forwarded-Proto: https\"\n")
	bin := t.TempDir()
	if err := os.Symlink(program, filepath.Join(bin, "daypass")); err != nil {
		t.Fatal(err)
	}
	dirs := map[string]string{}
	for _, b := range pick(docBlocks(t), "sh") {
		dir := dirs[b.page]
		if dir == "" {
			dir = t.TempDir()
			dirs[b.page] = dir
			for name, text := range map[string]string{"puppy.jpg": fox, "report.pdf": "%PDF-1.7\n", "avatar.png": png, "page.html": page, "pin.txt": "2468\n"} {
				write(t, filepath.Join(dir, name), text)
			}
		}
		t.Run(b.page, func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", b.text)
			cmd.Dir, cmd.Env = dir, docEnv(u.server, "HOME="+home, "PATH="+bin+":"+os.Getenv("PATH"))
			var stderr bytes.Buffer
			cmd.Stderr = &stderr
			out, err := cmd.Output()
			if err != nil {
				t.Fatalf("%v\n%s\n%s%s", err, b.text, out, &stderr)
			}
			want := statusComment.FindAllString(b.text, -1)
			var got []string
			for line := range strings.Lines(string(out)) {
				if regexp.MustCompile(`^\d{3}\n$`).MatchString(line) {
					got = append(got, "# "+strings.TrimSpace(line))
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("%sprinted %q, want %q", b.text, got, want)
			}
		})
	}
}

// formReports turn the form of an example into what TestLimitsDocsForms reads.
var formReports = map[string]string{
	"js v3":  "console.log(JSON.stringify(form));\n",
	"js v2":  "console.log(JSON.stringify(form));\n",
	"python": "import json; print(json.dumps(form))\n",
}

// TestLimitsDocsForms makes the README's forms and sends each twice.
func TestLimitsDocsForms(t *testing.T) {
	t.Parallel()
	blocks := docBlocks(t)
	for _, l := range languages {
		t.Run(l.name, func(t *testing.T) {
			t.Parallel()
			u := docServer(t)
			lang := l.langs[len(l.langs)-1]
			text := pick(blocks, lang)[0].text + pick(blocks, lang+" form")[0].text + formReports[l.name]
			u.useForm(t, blocks, l.run(t, u.server, text))
		})
	}
	t.Run("go", func(t *testing.T) {
		t.Parallel()
		u := docServer(t)
		u.useForm(t, blocks, runGo(t, u.server, "..", fmt.Sprintf(formProgram, pick(blocks, "go form")[0].text)))
	})
}

const formProgram = `package main
import ("encoding/json"; "os"; "time"; "github.com/daypass/daypass/limits"; "github.com/daypass/daypass/sign")
func example(presigner *sign.Presigner) (*sign.SignedForm, error) {
%s	return form, err
}
func main() {
	presigner, err := sign.NewPresigner(sign.Key{ID: os.Getenv("AWS_ACCESS_KEY_ID"), Secret: os.Getenv("AWS_SECRET_ACCESS_KEY")}, os.Getenv("AWS_ENDPOINT_URL"), os.Getenv("AWS_REGION"))
	if err != nil { panic(err) }
	form, err := example(presigner)
	if err != nil { panic(err) }
	fields := map[string]string{}
	for _, f := range form.Fields { fields[f.Name] = f.Value }
	json.NewEncoder(os.Stdout).Encode(map[string]any{"url": form.URL, "fields": fields})
}
`

// useForm sends a form as the README says, twice.
func (u *user) useForm(t *testing.T, blocks []block, out string) {
	t.Helper()
	need(t, "curl", "curl")
	var form struct {
		URL    string
		Fields map[string]string
	}
	if err := json.Unmarshal([]byte(out[strings.Index(out, "{"):]), &form); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	text := "url='" + form.URL + "'\nfields=("
	for name, value := range form.Fields {
		text += "-F '" + name + "=" + value + "' "
	}
	text += ")\n" + pick(blocks, "sh form")[0].text
	dir := t.TempDir()
	write(t, filepath.Join(dir, "puppy.jpg"), fox)
	bash := tool{path: "bash", args: []string{"-euo", "pipefail", "-c"}, dir: dir}
	bash.run(t, text)
	if got := u.content(t, "from-a-form.jpg"); got != fox {
		t.Errorf("the form stored %q", got)
	}
	out, _, err := bash.try(t, strings.Replace(text, "curl -f ", "curl -s ", 1))
	if err != nil || !strings.Contains(out, "<Limit>x-daypass-uses</Limit>") {
		t.Errorf("the second time it answers %s, %v", out, err)
	}
}
