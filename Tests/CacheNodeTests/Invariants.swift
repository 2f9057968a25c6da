import SessionMap
import Testing

extension SessionMap {
    /// A broken promise of the map is an issue of the test that met it.
    func checkInvariants(
        now: UInt32, file: String = #fileID, path: String = #filePath, line: Int = #line
    ) {
        let place = SourceLocation(fileID: file, filePath: path, line: line, column: 1)
        for sentence in brokenInvariants() {
            Issue.record("a broken invariant: \(sentence)", sourceLocation: place)
        }
    }
}
