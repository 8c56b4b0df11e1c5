package differential

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

const tablePath = "TABLE.md"

// table is TABLE.md: what the recordings say of each case in each column.
func table(t testing.TB, cases []testCase) string {
	t.Helper()
	var b strings.Builder
	b.WriteString("# The same functions under AWS's clients and under Wick\n\n" +
		"Made by `make differential UPDATE=1` from [cases/](cases) and [recorded/](recorded): **=** answers, error objects, log\n" +
		"records and exits are equal, a number is a difference that is kept and explained below, nothing means that the\n" +
		"language lacks the notion. Go and Rust bring AWS's client with them; there Wick's Runtime API is compared with a plain one.\n\n")
	recordings := map[string]recording{}
	head, line := "| function |", "|---|"
	for _, col := range columns {
		rec := readRecording(t, col)
		recordings[col.name] = rec
		head += " " + col.name + " |"
		line += "---|"
		with := rec.client
		if !col.sameClient {
			with += " on " + rec.interpreter
		}
		fmt.Fprintf(&b, "- %s: %s\n", col.name, with)
	}
	b.WriteString("\n" + head + "\n" + line + "\n")
	var reasons []string
	counts := map[string][2]int{}
	for _, c := range cases {
		fmt.Fprintf(&b, "| [%s](cases/%s.txtar) |", c.name, c.name)
		for _, col := range columns {
			mark := ""
			if col.runs(c) {
				n := counts[col.name]
				n[0]++
				mark = "="
				if _, differs := recordings[col.name].ours[c.name]; differs {
					reason := c.differs[col.name]
					if !slices.Contains(reasons, reason) {
						reasons = append(reasons, reason)
					}
					mark = fmt.Sprint(slices.Index(reasons, reason) + 1)
				} else {
					n[1]++
				}
				counts[col.name] = n
			}
			fmt.Fprintf(&b, " %s |", mark)
		}
		b.WriteString("\n")
	}
	fmt.Fprintf(&b, "| **equal of %d** |", len(cases))
	for _, col := range columns {
		fmt.Fprintf(&b, " %d/%d |", counts[col.name][1], counts[col.name][0])
	}
	b.WriteString("\n\n## Why the others differ\n\n")
	for i, reason := range reasons {
		fmt.Fprintf(&b, "%d. %s\n", i+1, reason)
	}
	return b.String()
}

func writeTable(t testing.TB, cases []testCase) {
	t.Helper()
	if err := os.WriteFile(tablePath, []byte(table(t, cases)), 0o644); err != nil { //nolint:gosec // of the repository
		t.Fatal(err)
	}
}

func TestTheTableIsOfTheRecordings(t *testing.T) {
	cases := readCases(t)
	committed, err := os.ReadFile(tablePath)
	if err != nil {
		t.Fatal(err)
	}
	if string(committed) != table(t, cases) {
		t.Errorf("%s isn't of cases/ and recorded/: run make differential UPDATE=1", tablePath)
	}
}

// TestEveryDifferenceHasAReason, and every recording a case that it is of.
func TestEveryDifferenceHasAReason(t *testing.T) {
	cases := readCases(t)
	for _, col := range columns {
		rec := readRecording(t, col)
		for name := range rec.official {
			i := slices.IndexFunc(cases, func(c testCase) bool { return c.name == name && col.runs(c) })
			if i < 0 {
				t.Errorf("%s has a recording in %s and no function", name, col.name)
				continue
			}
			if _, differs := rec.ours[name]; differs != (cases[i].differs[col.name] != "") {
				t.Errorf("%s in %s: differs is %v, its reason %q", name, col.name, differs, cases[i].differs[col.name])
			}
		}
	}
}

// moduleVersion is what follows a text in a file of modules, up to the line's end.
func moduleVersion(path, before, name string) (string, error) {
	data, err := os.ReadFile(path) //nolint:gosec // ours
	if err != nil {
		return "", err
	}
	_, rest, ok := strings.Cut(string(data), before)
	if !ok {
		return "", fmt.Errorf("%s has no %q", path, before)
	}
	version, _, _ := strings.Cut(rest, "\n")
	return name + strings.Trim(version, `" `), nil
}
