package instance

import "testing"

func TestThePlatformNamesOnlyErrorsOfItsOwnKinds(t *testing.T) {
	for name, want := range map[string]string{
		"Runtime.ImportModuleError":     "Runtime.ImportModuleError",
		"Runtime.Own":                   "Runtime.Own",
		"Function.ResponseSizeTooLarge": "Function.ResponseSizeTooLarge",
		"Function.lower":                "Function.Unknown",
		"KeyError":                      "Runtime.Unknown",
		"":                              "Runtime.Unknown",
	} {
		if got := reportedErrorType(name); got != want {
			t.Errorf("%q is reported as %q, want %q", name, got, want)
		}
	}
}
