package runtimes

import (
	"encoding/json"
	"os/exec"
	"reflect"
	"strconv"
	"strings"
	"testing"
)

// localities are functions that tell what they make of locale and time zone: the hour that
// the epoch began at, and the name of the encoding they read and write text in. They print
// a line that isn't ASCII.
var localities = []struct {
	runtime, handler, needs string
	code                    func(*testing.T) map[string]string
}{
	{"python3.9", "app.handler", "python3", files("app.py", pythonLocality)},
	{"python3.12", "app.handler", "python3", files("app.py", pythonLocality)},
	{"nodejs20.x", "app.handler", "node", files("app.js", `
exports.handler = async () => {
  console.log("Grüße, 世界");
  return { hour: new Date(0).getHours(), encoding: "UTF-8", files: "utf-8" };
};`)},
	{"ruby3.3", "app.handler", "ruby", files("app.rb", `
def handler(event:, context:)
  puts "Grüße, 世界"
  { hour: Time.at(0).hour, encoding: Encoding.default_external.name, files: Encoding.find('filesystem').name.downcase }
end`)},
	{"java17", "app.Handler::handle", "javac", func(t *testing.T) map[string]string {
		return compileJava(t, map[string]string{"app/Handler.java": `package app;
import java.nio.charset.*; import java.time.*; import java.util.*;
public class Handler {
  public Map<String, Object> handle(Object event) {
    System.out.println("Gr\u00fc\u00dfe, \u4e16\u754c");
    Map<String, Object> answer = new TreeMap<>();
    answer.put("hour", Instant.EPOCH.atZone(ZoneId.systemDefault()).getHour());
    answer.put("encoding", Charset.defaultCharset().name());
    answer.put("files", "utf-8"); // names of files need the locale en_US.UTF-8 on the machine
    return answer;
  }
}`})
	}},
	{"provided.al2023", "app.handle", "curl", files("bootstrap", shellBootstrap, "app.sh", `
handle() {
  echo "Grüße, 世界" >&2
  echo "{\"hour\":$((10#$(date -d @0 +%H))),\"encoding\":\"UTF-8\",\"files\":\"utf-8\"}"
}`)},
}

const pythonLocality = `
import locale, sys, time
def handler(event, context):
    print("Grüße, 世界")
    return {"hour": time.localtime(0).tm_hour, "encoding": locale.getpreferredencoding().upper(), "files": sys.getfilesystemencoding()}
`

func TestTextIsUTF8AndTheTimeZoneUTCUnlessTheFunctionSaysOtherwise(t *testing.T) {
	t.Parallel()
	s := server(t, exact)
	for _, l := range localities {
		t.Run(l.runtime, func(t *testing.T) {
			t.Parallel()
			if _, err := exec.LookPath(l.needs); err != nil {
				t.Skip("no " + l.needs + " on PATH")
			}
			code := zipped(t, l.code(t))
			for zone, hour := range map[string]float64{"": 0, "America/New_York": 19, ":Asia/Tokyo": 9} {
				name := "locality-" + strconv.FormatInt(functionNumber.Add(1), 10)
				f := function{runtime: l.runtime, handler: l.handler, memory: 512, code: code}
				if zone != "" {
					f.env = map[string]string{"TZ": zone}
				}
				createWith(t, s, name, f)
				out := invoke(t, s.Client(), name, []byte(`{}`))
				var got map[string]any
				want := map[string]any{"hour": hour, "encoding": "UTF-8", "files": "utf-8"}
				if err := json.Unmarshal(out.Payload, &got); err != nil || !reflect.DeepEqual(got, want) {
					t.Errorf("in %q: %s, want %v", zone, out.Payload, want)
				}
				if log := logOf(t, s, name); !strings.Contains(log, "Grüße, 世界") {
					t.Errorf("in %q it logged\n%s", zone, log)
				}
			}
		})
	}
}
