/// The files in `Tests/Transcripts`.
package enum TranscriptFiles {
    private static let directory =
        #filePath.split(separator: "/").dropLast(2)
        .map { "/" + $0 }.joined() + "/Transcripts"

    /// Their names, sorted.
    package static let names = (fileNames(in: directory) ?? []).filter { $0.hasSuffix(".txt") }

    package static func read(_ name: String) throws(TranscriptFailure) -> Transcript {
        guard let text = contents(of: directory + "/" + name) else {
            throw TranscriptFailure(name: name, line: 0, "cannot be read")
        }
        return try Transcript(name: name, text: text)
    }
}
