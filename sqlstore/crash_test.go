package sqlstore

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wick-run/wick"
	"github.com/wick-run/wick/internal/testkit/storetest"
)

// crashDirVariable makes the test binary a process that writes until it is killed.
const crashDirVariable = "WICK_TEST_CRASH_DIR"

// writeUntilKilled creates functions and appends log chunks from several goroutines
// and prints the name of each that was acknowledged.
func writeUntilKilled(dir string) {
	fatal := func(err error) {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if _, err := Lock(dir); err != nil {
		fatal(err)
	}
	s, err := Open(context.Background(), filepath.Join(dir, "wick.db"), Options{})
	if err != nil {
		fatal(err)
	}
	var mu sync.Mutex
	for i := range 8 {
		go func() {
			for n := 0; ; n++ {
				name := fmt.Sprintf("f-%d-%d-%d", os.Getpid(), i, n)
				if err := s.CreateFunction(context.Background(), storetest.NewFunction(name)); err != nil {
					fatal(err)
				}
				chunk := wick.LogChunk{Group: wick.LogGroupID{Name: name}, Stream: "s", First: time.Now(), Last: time.Now(), Data: []byte(name)}
				if err := s.AppendChunks(context.Background(), []wick.LogChunk{chunk}); err != nil {
					fatal(err)
				}
				mu.Lock()
				fmt.Println(name)
				mu.Unlock()
			}
		}()
	}
	select {}
}

func TestWhatWasAcknowledgedSurvivesKill9(t *testing.T) {
	dir := t.TempDir()
	const rounds = 10
	var acknowledged []string
	for round := range rounds {
		command := exec.Command(os.Args[0])
		command.Env = append(os.Environ(), crashDirVariable+"="+dir)
		command.Stderr = os.Stderr
		out, err := command.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := command.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewReader(out)
		before := len(acknowledged)
		for killed := false; ; {
			name, err := lines.ReadString('\n')
			if err != nil {
				break // a line that was cut off was not acknowledged
			}
			acknowledged = append(acknowledged, strings.TrimSpace(name))
			if len(acknowledged)-before > 20+7*round && !killed {
				killed = true
				if err := command.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		}
		_ = command.Wait() // it was killed
		if len(acknowledged) == before {
			t.Fatal("the process wrote nothing")
		}

		unlock, err := Lock(dir)
		if err != nil {
			t.Fatalf("the lock of a killed process: %v", err)
		}
		s, err := Open(t.Context(), filepath.Join(dir, "wick.db"), Options{})
		if err != nil {
			t.Fatalf("after kill %d: %v", round, err)
		}
		check := acknowledged[before:]
		if round == rounds-1 {
			check = acknowledged // what earlier kills left is still there
		}
		for _, name := range check {
			if _, err := s.Function(t.Context(), storetest.NewFunction(name).FunctionID, wick.Latest); err != nil {
				t.Errorf("after kill %d: %v", round, err)
			}
			chunks, err := s.Chunks(t.Context(), wick.LogQuery{Group: wick.LogGroupID{Name: name}})
			if err != nil || len(chunks) != 1 || string(chunks[0].Data) != name {
				t.Errorf("after kill %d: log of %s has %d chunks, %v", round, name, len(chunks), err)
			}
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if err := unlock(); err != nil {
			t.Error(err)
		}
	}
	t.Logf("%d acknowledged writes survived %d kills", 2*len(acknowledged), rounds)
}
