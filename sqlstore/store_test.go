package sqlstore

import (
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/wick-run/wick"
	"github.com/wick-run/wick/internal/testkit/leak"
	"github.com/wick-run/wick/internal/testkit/storetest"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(crashDirVariable); dir != "" {
		writeUntilKilled(dir)
	}
	leak.Main(m)
}

func TestWhatIsStoredSurvivesCloseAndOpen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a folder?", "with #odd %41 name", "wick.db")
	s := openAt(t, path)
	f := storetest.NewFunction("kept")
	if err := s.CreateFunction(t.Context(), f); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("closing again: %v", err)
	}
	for _, suffix := range []string{"-wal", "-shm"} {
		if _, err := os.Stat(path + suffix); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is still there after Close (%v): the file alone should be a backup", suffix, err)
		}
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the database has mode %v, %v", info.Mode(), err)
	}
	got, err := openAt(t, path).Function(t.Context(), f.FunctionID, wick.Latest)
	if err != nil || !reflect.DeepEqual(got, f) {
		t.Errorf("read %+v, %v", got, err)
	}
}

func TestAClosedStoreSaysSo(t *testing.T) {
	s := open(t)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	f := storetest.NewFunction("late")
	_, readErr := s.Function(t.Context(), f.FunctionID, wick.Latest)
	for _, err := range []error{readErr, s.CreateFunction(t.Context(), f), s.AppendChunks(t.Context(), make([]wick.LogChunk, 1))} {
		if wick.KindOf(err) != wick.Unavailable {
			t.Errorf("error %v, want Unavailable", err)
		}
	}
}

// TestTheStoredFormOfAFunction fails when a member of wick.Function is renamed: rows
// that are stored have its old name, and need a migration.
func TestTheStoredFormOfAFunction(t *testing.T) {
	const stored = `{"Account":"000000000000","Region":"us-east-1","Name":"hello","Version":"$LATEST",` +
		`"Runtime":"python3.12","Handler":"app.handler","Role":"role","Description":"text","TimeoutSeconds":3,"MemoryMB":128,"EphemeralMB":512,` +
		`"Architecture":"x86_64","Environment":{"A":"1"},"PackageType":"Zip","TracingMode":"PassThrough",` +
		`"Logging":{"Format":"JSON","ApplicationLevel":"INFO","SystemLevel":"WARN","Group":"g"},"SnapStartApplyOn":"None","DeadLetterTarget":"dlq","KMSKeyARN":"key",` +
		`"Code":{"SHA256":"ab","Size":12},"Layers":[{"ARN":"arn","Code":{"SHA256":"cd","Size":34}}],"State":"Active","StateReason":"r","StateReasonCode":"c","UpdateStatus":"Successful","UpdateReason":"ur","UpdateReasonCode":"uc",` +
		`"RevisionID":"rev","ConfigHash":"hash","LastModified":"2026-11-24T20:15:03.123Z","Tags":{"k":"v"}}`
	f, err := decodeFunction([]byte(stored))
	if err != nil {
		t.Fatal(err)
	}
	empty := 0
	for i := range reflect.TypeFor[wick.Function]().NumField() {
		if reflect.ValueOf(*f).Field(i).IsZero() {
			t.Errorf("member %s of a function stored by an earlier wick is lost", reflect.TypeFor[wick.Function]().Field(i).Name)
			empty++
		}
	}
	if empty > 0 {
		t.Log("a new member belongs into the text above; a renamed one needs a migration, too")
	}
}

// TestTheStoredFormOfALayerVersion is the same for wick.LayerVersion.
func TestTheStoredFormOfALayerVersion(t *testing.T) {
	const stored = `{"Account":"000000000000","Region":"us-east-1","Name":"l","Version":3,"Description":"text","LicenseInfo":"MIT",` +
		`"CompatibleRuntimes":["python3.12"],"CompatibleArchitectures":["x86_64"],"Code":{"SHA256":"ab","Size":12},"Created":"2026-11-24T20:15:03.123Z"}`
	v, err := decodeLayerVersion([]byte(stored))
	if err != nil {
		t.Fatal(err)
	}
	for i := range reflect.TypeFor[wick.LayerVersion]().NumField() {
		if reflect.ValueOf(*v).Field(i).IsZero() {
			t.Errorf("member %s of a layer stored by an earlier wick is lost", reflect.TypeFor[wick.LayerVersion]().Field(i).Name)
		}
	}
}

func TestOpenSaysWhatIsWrongAndWhatToDo(t *testing.T) {
	for _, tt := range []struct {
		name string
		make func(t *testing.T, path string)
		want []string
	}{
		{"no database at all", func(t *testing.T, path string) {
			write(t, path, strings.Repeat("this is no database. ", 500))
		}, []string{"the database PATH is damaged (", "restore it from a backup or move it away to start empty"}},
		{"cut off", func(t *testing.T, path string) {
			fillDatabase(t, path)
			if err := os.Truncate(path, 3*4096); err != nil {
				t.Fatal(err)
			}
		}, []string{"the database PATH is damaged (", "restore it from a backup"}},
		{"overwritten in the middle", func(t *testing.T, path string) {
			fillDatabase(t, path)
			f, err := os.OpenFile(path, os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if _, err := f.WriteAt([]byte(strings.Repeat("x", 8*4096)), 4096); err != nil {
				t.Fatal(err)
			}
		}, []string{"the database PATH is damaged (", "restore it from a backup"}},
		{"a folder in its place", func(t *testing.T, path string) {
			if err := os.Mkdir(path, 0o700); err != nil {
				t.Fatal(err)
			}
		}, []string{"the data directory DIR can't be written (", "is a directory", "--data-dir"}},
		{"a file where its folder should be", func(t *testing.T, path string) {
			if err := os.Remove(filepath.Dir(path)); err != nil {
				t.Fatal(err)
			}
			write(t, filepath.Dir(path), "")
		}, []string{"the data directory DIR can't be written (", "not a directory", "--data-dir"}},
		{"a newer schema", func(t *testing.T, path string) {
			fillDatabase(t, path)
			execute(t, path, "PRAGMA user_version = 99")
		}, []string{"the database PATH was written by a newer wick (schema 99, this one knows up to ", "): update wick or choose another folder with --data-dir"}},
		{"another program's", func(t *testing.T, path string) {
			execute(t, path, "CREATE TABLE theirs (x)")
		}, []string{"the database PATH belongs to another program: choose another folder with --data-dir"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "data")
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, "wick.db")
			tt.make(t, path)
			s, err := Open(t.Context(), path, Options{})
			if err == nil {
				s.Close()
				t.Fatal("it opens")
			}
			for _, want := range tt.want {
				want = strings.NewReplacer("PATH", path, "DIR", dir).Replace(want)
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q\nlacks %q", err, want)
				}
			}
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("error %q has more than one line", err)
			}
		})
	}
}

// TestADirectoryWithoutPermissionIsNamed can't be a row above: root may write anywhere.
func TestADirectoryWithoutPermissionIsNamed(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("needs an ordinary user: root may write to every directory")
	}
	dir := filepath.Join(t.TempDir(), "data")
	if err := os.Mkdir(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	_, err := Open(t.Context(), filepath.Join(dir, "wick.db"), Options{})
	if err == nil || !strings.Contains(err.Error(), "the data directory "+dir+" can't be written (") {
		t.Errorf("error %v", err)
	}
}

func TestDamageFoundLaterIsNamed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "wick.db")
	fillDatabase(t, path)
	s := openAt(t, path)
	// Only what was read already is in memory.
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte(strings.Repeat("x", 40*4096)), 4096); err != nil {
		t.Fatal(err)
	}
	_, err = s.Functions(t.Context(), wick.DefaultAccount, wick.DefaultRegion, "", 1000)
	if err == nil || !strings.Contains(err.Error(), "the database "+path+" is damaged (") {
		t.Errorf("error %v", err)
	}
}

func TestMigrationsHaveNumbersWithoutGaps(t *testing.T) {
	file := &fstest.MapFile{Data: []byte("SELECT 1")}
	for _, tt := range []struct {
		files fstest.MapFS
		steps int
		err   string
	}{
		{fstest.MapFS{"migrations/0001_a.sql": file, "migrations/0002_b.sql": file}, 2, ""},
		{fstest.MapFS{"migrations/0001_a.sql": file, "migrations/0003_b.sql": file}, 0, "0003_b.sql should have number 2"},
		{fstest.MapFS{"migrations/0001_a.sql": file, "migrations/0001_b.sql": file}, 0, "0001_b.sql should have number 2"},
		{fstest.MapFS{"migrations/x.sql": file}, 0, "x.sql should have number 1"},
	} {
		steps, err := readMigrations(tt.files)
		if len(steps) != tt.steps || (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
			t.Errorf("%v: %d steps, %v", tt.files, len(steps), err)
		}
	}
}

func TestThePlansOfQueriesUseTheirIndexes(t *testing.T) {
	s := open(t)
	for _, tt := range []struct {
		q    wick.LogQuery
		want string
	}{
		{wick.LogQuery{}, "log_chunks_oldest"},
		{wick.LogQuery{Newest: true}, "log_chunks_newest"},
	} {
		query, args, err := chunkQuery(tt.q)
		if err != nil {
			t.Fatal(err)
		}
		rows, err := s.readers.QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+query, args...)
		if err != nil {
			t.Fatal(err)
		}
		plan := ""
		for rows.Next() {
			var id, parent, unused int
			var detail string
			if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
				t.Fatal(err)
			}
			plan += detail + "\n"
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(plan, tt.want) || strings.Contains(plan, "SCAN c\n") {
			t.Errorf("%+v is answered by\n%s", tt.q, plan)
		}
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// fillDatabase makes a database with some pages of functions and closes it.
func fillDatabase(t *testing.T, path string) {
	t.Helper()
	s, err := Open(t.Context(), path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 100 {
		f := storetest.NewFunction(fmt.Sprintf("function-%03d", i))
		f.Description = strings.Repeat("d", 1000)
		if err := s.CreateFunction(t.Context(), f); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// execute runs a statement as another program would.
func execute(t *testing.T, path, statement string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), statement); err != nil {
		t.Fatal(err)
	}
}
