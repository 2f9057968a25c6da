#if DEBUG || Fuzzing
    import Glibc

    /// Inputs that are kept in the repository: each reaches something that the others do not, or was once too
    /// hard.
    package enum CorpusFiles {
        package static let folder =
            "/" + #filePath.split(separator: "/").dropLast().joined(separator: "/") + "/Corpus"

        /// All bytes of a file; nothing when it cannot be read.
        package static func bytes(of path: String) -> [UInt8]? {
            guard let file = fopen(path, "r") else { return nil }
            defer { fclose(file) }
            var bytes: [UInt8] = []
            var part = [UInt8](repeating: 0, count: 65_536)
            while case let count = fread(&part, 1, part.count, file), count > 0 {
                bytes += part[..<count]
            }
            return ferror(file) == 0 ? bytes : nil
        }
    }
#endif
