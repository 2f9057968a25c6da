import Glibc

/// The text of a file; nothing when it cannot be read.
package func contents(of path: String) -> String? {
    contentBytes(of: path).map { String(decoding: $0, as: UTF8.self) }
}

/// The bytes of a file; nothing when it cannot be read.
package func contentBytes(of path: String) -> [UInt8]? {
    guard let file = fopen(path, "r") else { return nil }
    defer { fclose(file) }
    var bytes: [UInt8] = []
    var part = [UInt8](repeating: 0, count: 65_536)
    while true {
        let count = fread(&part, 1, part.count, file)
        guard count > 0 else { break }
        bytes += part[..<count]
    }
    guard ferror(file) == 0 else { return nil }
    return bytes
}

/// What is in a folder, sorted; nothing when it cannot be read.
package func fileNames(in folder: String) -> [String]? {
    guard let stream = opendir(folder) else { return nil }
    defer { closedir(stream) }
    var names: [String] = []
    while let entry = readdir(stream) {
        let name = withUnsafeBytes(of: entry.pointee.d_name) { bytes in
            String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
        }
        if name != ".", name != ".." { names.append(name) }
    }
    return names.sorted()
}
