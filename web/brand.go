package web

import (
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"strings"
)

// The grounds that a brand colour stands on, and that stand on it as the text of buttons: --bg of page.css.
const (
	lightGround = "#ffffff"
	darkGround  = "#111418"
)

// minContrast is that of text (WCAG 2.2, success criterion 1.4.3). The brand colour is that of links and of the ground
// of button texts.
const minContrast = 4.5

// brandCSS is brand.css: the operator's colours for the light and the dark scheme, as #rrggbb or #rgb. An empty colour
// leaves the page's own; both empty: there is no brand.css.
func brandCSS(light, dark string) (string, error) {
	var css strings.Builder
	var faults []error
	if light != "" {
		faults = append(faults, checkBrand("brand", light, lightGround))
		fmt.Fprintf(&css, ":root{--brand:%s;--on-brand:%s}\n", light, lightGround)
	}
	// A brand for the light scheme alone must not spill into the dark one.
	switch {
	case dark != "":
		faults = append(faults, checkBrand("brand_dark", dark, darkGround))
		fmt.Fprintf(&css, "@media(prefers-color-scheme:dark){:root{--brand:%s;--on-brand:%s}}\n", dark, darkGround)
	case light != "":
		css.WriteString("@media(prefers-color-scheme:dark){:root{--brand:#a8c7fa;--on-brand:#062e6f}}\n")
	}
	return css.String(), errors.Join(faults...)
}

func checkBrand(name, colour, ground string) error {
	mine, ok := luminance(colour)
	if !ok {
		return fmt.Errorf("the %s colour %q is not of the form #rrggbb", name, colour)
	}
	its, _ := luminance(ground)
	ratio := (max(mine, its) + 0.05) / (min(mine, its) + 0.05)
	if ratio < minContrast {
		return fmt.Errorf("the %s colour %s has a contrast of %.1f to %s; choose one of at least %.1f, or nobody can read it",
			name, colour, math.Floor(ratio*10)/10, ground, minContrast)
	}
	return nil
}

// luminance is the relative luminance of an sRGB colour (WCAG 2.2, definition of relative luminance).
func luminance(colour string) (float64, bool) {
	digits, ok := strings.CutPrefix(colour, "#")
	if len(digits) == 3 {
		digits = string([]byte{digits[0], digits[0], digits[1], digits[1], digits[2], digits[2]})
	}
	rgb, err := hex.DecodeString(digits)
	if !ok || err != nil || len(rgb) != 3 {
		return 0, false
	}
	linear := func(b byte) float64 {
		c := float64(b) / 255
		if c <= 0.04045 {
			return c / 12.92
		}
		return math.Pow((c+0.055)/1.055, 2.4)
	}
	return 0.2126*linear(rgb[0]) + 0.7152*linear(rgb[1]) + 0.0722*linear(rgb[2]), true
}
