package differential

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/wick-run/wick"
	"github.com/wick-run/wick/internal/testkit/runner"
)

// testCase is one function in several languages. Its file is a txtar archive whose comment
// says what it proves and, after an empty line, how it is run, a setting a line:
//
//	event JSON               an event; several are sent one after another, {} without any
//	event-bytes N            an event that is a string of N bytes
//	client-context JSON      of the events that follow, and so
//	cognito-identity JSON
//	trace HEADER
//	tenant ID
//	deadline DURATION
//	logging FORMAT LEVEL     of the function
//	env NAME=VALUE
//	handler FOLDER HANDLER   of a language, where it isn't the usual one
//	only COLUMN...           the columns it is run in, where not all with a folder
//	differs COLUMN REASON    Wick does something else there, and why
//
// The files of a language are in the folder of its name. Without a file there the case isn't
// of that language.
type testCase struct {
	name     string
	proves   string
	events   []runner.Event
	logging  wick.LoggingConfig
	env      map[string]string
	handlers map[string]string            // by folder
	only     []string                     // of columns
	differs  map[string]string            // by column
	files    map[string]map[string]string // by folder, then path
}

func readCases(t testing.TB) []testCase {
	t.Helper()
	names, err := filepath.Glob("cases/*.txtar")
	if err != nil || len(names) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	var all []testCase
	for _, name := range names {
		archive, err := txtar.ParseFile(name)
		if err != nil {
			t.Fatal(err)
		}
		c, err := parseCase(strings.TrimSuffix(filepath.Base(name), ".txtar"), archive)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		all = append(all, c)
	}
	return all
}

func parseCase(name string, archive *txtar.Archive) (testCase, error) {
	c := testCase{name: name, env: map[string]string{}, handlers: map[string]string{}, differs: map[string]string{}, files: map[string]map[string]string{}}
	proves, settings, _ := strings.Cut(string(archive.Comment), "\n\n")
	c.proves = strings.Join(strings.Fields(proves), " ")
	var next runner.Event
	for _, line := range strings.Split(settings, "\n") {
		if strings.TrimSpace(line) == "" {
			continue
		}
		if err := c.set(line, &next); err != nil {
			return c, err
		}
	}
	if len(c.events) == 0 {
		c.events = []runner.Event{next}
	}
	for _, f := range archive.Files {
		folder, path, ok := strings.Cut(f.Name, "/")
		if !ok {
			return c, fmt.Errorf("%s is in no language's folder", f.Name)
		}
		if c.files[folder] == nil {
			c.files[folder] = map[string]string{}
		}
		c.files[folder][path] = string(f.Data)
	}
	if c.proves == "" || len(c.files) == 0 {
		return c, fmt.Errorf("says not what it proves, or has no function")
	}
	return c, nil
}

// set takes one setting; next is the event that the ones so far make.
func (c *testCase) set(line string, next *runner.Event) error {
	word, rest, _ := strings.Cut(line, " ")
	first, second, _ := strings.Cut(rest, " ")
	switch word {
	case "event":
		next.Payload = rest
		c.events = append(c.events, *next)
	case "event-bytes":
		n, err := strconv.Atoi(rest)
		if err != nil {
			return err
		}
		next.Payload = `"` + strings.Repeat("x", n-2) + `"`
		c.events = append(c.events, *next)
	case "client-context":
		next.ClientContext = rest
	case "cognito-identity":
		next.CognitoIdentity = rest
	case "trace":
		next.Trace = rest
	case "tenant":
		next.TenantID = rest
	case "deadline":
		var err error
		if next.Deadline, err = time.ParseDuration(rest); err != nil {
			return err
		}
	case "logging":
		c.logging = wick.LoggingConfig{Format: first, ApplicationLevel: second}
	case "env":
		name, value, _ := strings.Cut(rest, "=")
		c.env[name] = value
	case "handler":
		c.handlers[first] = second
	case "only":
		c.only = strings.Fields(rest)
	case "differs":
		if second == "" {
			return fmt.Errorf("%q has no reason", line)
		}
		c.differs[first] = second
	default:
		return fmt.Errorf("there is no setting %q", word)
	}
	return nil
}
