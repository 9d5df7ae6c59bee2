/** A text that this package's own parsers refuse: its message tells the place, and quotes nothing of the text. */
export class NotParsed extends SyntaxError {}
