package fs

import (
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	why "github.com/santhosh-tekuri/jsonschema/v6/kind"
)

// complaints are the sentences for what a validation found: field, rule, what
// would be allowed, and what was given.
func complaints(e *jsonschema.ValidationError, input any) []string {
	field := fieldName(e.InstanceLocation)
	given := at(input, e.InstanceLocation)
	must := func(format string, args ...any) []string {
		return []string{fmt.Sprintf("%s must %s, not %s.", field, fmt.Sprintf(format, args...), show(given))}
	}
	switch k := e.ErrorKind.(type) {
	case *why.Required:
		var all []string
		for _, name := range k.Missing {
			all = append(all, fieldName(append(slices.Clone(e.InstanceLocation), name))+" is missing: it is required.")
		}
		return all
	case *why.Type:
		return must("be %s", kindsInWords(k.Want))
	case *why.Enum:
		return must("be one of %s", choices(k.Want))
	case *why.Const:
		return must("be %s", show(k.Want))
	case *why.Minimum:
		return must("be at least %s", number(k.Want))
	case *why.Maximum:
		return must("be at most %s", number(k.Want))
	case *why.ExclusiveMinimum:
		return must("be more than %s", number(k.Want))
	case *why.ExclusiveMaximum:
		return must("be less than %s", number(k.Want))
	case *why.MultipleOf:
		return must("be a multiple of %s", number(k.Want))
	case *why.MinLength:
		return []string{fmt.Sprintf("%s must have at least %d characters, not %d.", field, k.Want, k.Got)}
	case *why.MaxLength:
		return []string{fmt.Sprintf("%s must have at most %d characters, not %d.", field, k.Want, k.Got)}
	case *why.MinItems:
		return []string{fmt.Sprintf("%s must have at least %d entries, not %d.", field, k.Want, k.Got)}
	case *why.MaxItems:
		return []string{fmt.Sprintf("%s must have at most %d entries, not %d.", field, k.Want, k.Got)}
	case *why.UniqueItems:
		return []string{fmt.Sprintf("%s must not have the same entry twice.", field)}
	case *why.Pattern:
		return must("match the pattern %s", k.Want)
	case *why.Format:
		return must("be a file: a URL or a data: URI")
	case *why.AnyOf, *why.OneOf:
		if len(e.Causes) == 0 {
			return must("fit exactly one of the forms in schema.json")
		}
		return either(e, input, must)
	}
	var all []string
	for _, cause := range e.Causes {
		all = append(all, complaints(cause, input)...)
	}
	if len(all) == 0 {
		return must("be as schema.json says")
	}
	return all
}

// either is for a value that fits none of several forms. One that came further
// than its type is told of that; else all types are.
func either(e *jsonschema.ValidationError, input any, must func(string, ...any) []string) []string {
	var types []string
	for _, cause := range e.Causes {
		for cause.ErrorKind != nil && len(cause.Causes) == 1 {
			cause = cause.Causes[0]
		}
		k, ok := cause.ErrorKind.(*why.Type)
		if !ok || len(cause.InstanceLocation) != len(e.InstanceLocation) {
			return complaints(cause, input)
		}
		types = append(types, k.Want...)
	}
	return must("be %s", kindsInWords(types))
}

// fieldName is the place of a value as a person writes it: a, a.b, a[2].
func fieldName(location []string) string {
	var b strings.Builder
	for i, word := range location {
		if _, err := strconv.Atoi(word); err == nil && i > 0 {
			b.WriteString("[" + word + "]")
			continue
		}
		if i > 0 {
			b.WriteByte('.')
		}
		b.WriteString(clip(word, maxShown))
	}
	if b.Len() == 0 {
		return "The input"
	}
	return b.String()
}

// at is the value at a place of the input.
func at(v any, location []string) any {
	for _, word := range location {
		switch in := v.(type) {
		case map[string]any:
			v = in[word]
		case []any:
			i, err := strconv.Atoi(word)
			if err != nil || i < 0 || i >= len(in) {
				return nil
			}
			v = in[i]
		}
	}
	return v
}

// kindsInWords are types in words.
func kindsInWords(types []string) string {
	var all []string
	for _, t := range [...]struct{ name, words string }{
		{"integer", "a whole number"}, {"number", "a number"}, {"boolean", "true or false"}, {"string", "text"},
		{"array", "a list"}, {"object", "an object"}, {"null", "null"},
	} {
		if slices.Contains(types, t.name) {
			all = append(all, t.words)
		}
	}
	return strings.Join(all, " or ")
}

const (
	maxShown   = 60 // characters of a value
	maxChoices = 60
)

// choices lists what is allowed.
func choices(values []any) string {
	var all []string
	for _, v := range values[:min(len(values), maxChoices)] {
		all = append(all, show(v))
	}
	if more := len(values) - len(all); more > 0 {
		all = append(all, fmt.Sprintf("and %d more (schema.json has them all)", more))
	}
	return strings.Join(all, ", ")
}

// show is a value in a sentence.
func show(v any) string {
	switch v := v.(type) {
	case string:
		if v == "" {
			return "an empty text"
		}
		return clip(v, maxShown)
	case json.Number:
		return clip(v.String(), maxShown)
	case []any:
		return "a list"
	case map[string]any:
		return "an object"
	case nil:
		return "null"
	}
	return fmt.Sprint(v)
}

// number is a limit as it stood in the schema.
func number(r *big.Rat) string {
	if r.IsInt() {
		return r.Num().String()
	}
	f, _ := r.Float64()
	return strconv.FormatFloat(f, 'g', -1, 64)
}

// clip shortens a text to n characters, and keeps it on its line.
func clip(text string, n int) string {
	text = strings.ToValidUTF8(strings.Join(strings.Fields(text), " "), "?")
	if r := []rune(text[:min(len(text), 4*n+4)]); len(r) > n {
		return strings.ToValidUTF8(string(r[:n]), "") + "…"
	}
	return text
}
