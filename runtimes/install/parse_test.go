package install

import (
	"slices"
	"strings"
	"testing"

	"github.com/wick-run/wick/runtimes"
)

func TestWhatPipReportsIsRead(t *testing.T) {
	for _, c := range []struct{ report, want, fails string }{
		{`{"install":[{"metadata":{"name":"six","version":"1.17"},"download_info":{"archive_info":{"hashes":{"sha256":"ab"}}}}]}`, "six 1.17 sha256:ab", ""},
		{`{"install":[{"metadata":{"name":"six","version":"1"},"download_info":{"archive_info":{"hash":"sha256=cd"}}}]}`, "six 1 sha256:cd", ""},
		{`{"install":[{"metadata":{"name":"six","version":"1"},"download_info":{"archive_info":{"hashes":{"md5":"cd"}}}}]}`, "", "no sha256 for six 1"},
		{`{"install":[]}`, "", ""},
		{`{`, "", "reading pip's report"},
	} {
		all, err := parseReport([]byte(c.report))
		check(t, c.report, all, err, c.want, c.fails)
	}
}

func TestWhatNPMLocksIsRead(t *testing.T) {
	for _, c := range []struct{ lock, want, fails string }{
		{`{"packages":{"":{},"node_modules/b":{"version":"2","integrity":"sha512-y"},"node_modules/@a/c/node_modules/a":{"version":"1","integrity":"sha512-x"}}}`,
			"a 1 sha512-x, b 2 sha512-y", ""},
		{`{"packages":{"node_modules/b":{"version":"2"}}}`, "", "no checksum for b 2"},
		{`[]`, "", "reading npm's record"},
	} {
		all, err := parseLock([]byte(c.lock))
		check(t, c.lock, all, err, c.want, c.fails)
	}
}

func check(t *testing.T, from string, all []runtimes.Package, err error, want, fails string) {
	t.Helper()
	var got []string
	for _, p := range all {
		got = append(got, p.Name+" "+p.Version+" "+p.Checksum)
	}
	if strings.Join(got, ", ") != want || (err == nil) != (fails == "") || err != nil && !strings.Contains(err.Error(), fails) {
		t.Errorf("%s is %q, %v", from, got, err)
	}
}

// FuzzRecordsOfClients checks that whatever pip and npm leave is read or refused, and that
// no package gets through without a checksum.
func FuzzRecordsOfClients(f *testing.F) {
	f.Add([]byte(`{"install":[{"metadata":{"name":"six","version":"1"},"download_info":{"archive_info":{"hash":"sha256=cd"}}}]}`))
	f.Add([]byte(`{"packages":{"node_modules/b":{"version":"2","integrity":"sha512-y"}}}`))
	f.Add([]byte(`["1.2.3"]`))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, parse := range []func([]byte) ([]runtimes.Package, error){parseReport, parseLock} {
			all, err := parse(data)
			if err == nil && slices.ContainsFunc(all, func(p runtimes.Package) bool { return strings.TrimPrefix(p.Checksum, "sha256:") == "" }) {
				t.Errorf("without a checksum: %+v", all)
			}
		}
		if versions, err := listOrOne[string](data); err == nil {
			for _, v := range versions {
				_ = newerThan(v, "1.2.3") // whatever it is, it can be compared
			}
		}
	})
}

func TestVersionsAreComparedByNumbers(t *testing.T) {
	versions := []string{"22.10.0", "22.9.1", "4.0.0", "22.10.0-rc.1", "22.9.0"}
	slices.SortStableFunc(versions, compareVersions)
	if want := []string{"4.0.0", "22.9.0", "22.9.1", "22.10.0", "22.10.0-rc.1"}; !slices.Equal(versions, want) {
		t.Errorf("in order they are %q", versions)
	}
}

func TestGemsAreNamedAfterClients(t *testing.T) {
	got := gems([]string{"s3", "sfn", "sts", "cloudwatch-logs", "aws-record"})
	if want := []string{"aws-record", "aws-sdk-cloudwatchlogs", "aws-sdk-core", "aws-sdk-s3", "aws-sdk-states"}; !slices.Equal(got, want) {
		t.Errorf("gems are %q", got)
	}
}
