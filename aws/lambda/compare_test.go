package lambda

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"

	"github.com/wick-run/wick/internal/testkit/oracle"
)

// comparer compares what came over the wire with recorded steps.
type comparer struct{ *oracle.Comparer }

func newComparer() *comparer {
	return &comparer{oracle.NewComparer(map[string]string{
		"<partition>": "aws", "<region>": testRegion, "<wrong-region>": "eu-west-3",
	})}
}

// answer compares what came over the wire with a recorded step. An error is recorded
// in boto3's form; another as the members of the document.
func (c *comparer) answer(recorded map[string]any, got wireAnswer) {
	body := map[string]any{}
	if len(got.body) > 0 {
		if err := json.Unmarshal(got.body, &body); err != nil {
			c.Failf("the answer isn't JSON: %v: %q", err, got.body)
			return
		}
	}
	if inner, ok := recorded["CreateFunctionResponse"].(map[string]any); ok {
		recorded = inner
	}
	if meta, ok := recorded["ResponseMetadata"].(map[string]any); ok {
		if want := meta["HTTPStatusCode"].(float64); int(want) != got.status { //nolint:forcetypeassert // so they are recorded
			c.Failf("status %d, recorded %v: %s", got.status, want, got.body)
		}
	}
	switch {
	case recorded["Errors"] != nil:
		c.constraintErrors(recorded, body, got)
	case recorded["Code"] != nil && recorded["Message"] != nil:
		c.failure(map[string]any{"Code": recorded["Code"], "Message": recorded["Message"]}, body, got)
	case recorded["Error"] != nil:
		c.failure(recorded["Error"].(map[string]any), body, got) //nolint:forcetypeassert // so they are recorded
		for _, k := range []string{"Type", "message", "Message", "Reason"} {
			// Recorded only of errors that the operation's model declares.
			if recorded["Type"] != nil && recorded[k] != body[k] && !c.same(recorded[k], body[k]) {
				c.Failf("member %s is %v, recorded %v", k, body[k], recorded[k])
			}
		}
	default:
		recorded = maps.Clone(recorded)
		delete(recorded, "ResponseMetadata")
		c.Value("", recorded, body)
	}
}

func (c *comparer) same(recorded, got any) bool {
	r, ok1 := recorded.(string)
	g, ok2 := got.(string)
	return ok1 && ok2 && c.Text(r, g)
}

func (c *comparer) failure(want, body map[string]any, got wireAnswer) {
	code, _, _ := strings.Cut(got.header.Get("X-Amzn-Errortype"), ":")
	if code != want["Code"] {
		c.Failf("code %s, recorded %v: %s", code, want["Code"], got.body)
	}
	message := body["message"]
	if message == nil {
		message = body["Message"]
	}
	c.Value("message", want["Message"], message)
}

// constraintErrors compares errors recorded as a list with our message.
func (c *comparer) constraintErrors(recorded, body map[string]any, got wireAnswer) {
	var texts []string
	for _, e := range recorded["Errors"].([]any) { //nolint:forcetypeassert // so they are recorded
		texts = append(texts, e.(string)) //nolint:forcetypeassert // so they are recorded
	}
	plural := ""
	if len(texts) != 1 {
		plural = "s"
	}
	message := fmt.Sprintf("%d validation error%s detected: %s", len(texts), plural, strings.Join(texts, "; "))
	c.failure(map[string]any{"Code": recorded["Code"], "Message": message}, body, got)
}
