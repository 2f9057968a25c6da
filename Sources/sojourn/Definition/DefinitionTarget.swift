import ClusterFile
import Glibc
import Synchronization

/// The file that a definition is written to: whoever reads it finds the old one or the new one, whole.
struct DefinitionTarget: Sendable {
    enum Outcome: Equatable {
        case written
        /// It is what the file has already.
        case unchanged
        /// It is no definition, for this reason.
        case refused(String)
    }

    /// Why a definition was not written.
    struct Trouble: Error, Equatable, CustomStringConvertible {
        let description: String
    }

    /// Of a definition: what etcd takes, unless it is told otherwise, is half as much again.
    static let byteCountMax = 1 << 20

    let path: String

    /// Held while a file is written: who ends the process waits for it, and leaves no half of a file behind.
    private static let writing = Mutex(())

    init(_ path: String) { self.path = path }

    /// Ends the process, but not in the middle of a file.
    static func exitBetweenFiles(_ status: Int32) -> Never {
        writing.withLock { _ in _exit(status) }
    }

    /// Where the file is, if the path is a link.
    private var place: String {
        guard let target = realpath(path, nil) else { return path }
        defer { free(target) }
        return String(cString: target)
    }

    /// What stands in the way of writing here; nil if nothing does.
    var obstacle: String? {
        var status = stat()
        if stat(path, &status) == 0, status.st_mode & S_IFMT != S_IFREG {
            return "\(path) is not a file"
        }
        let folder = Self.folder(of: place)
        guard access(folder, W_OK | X_OK) == 0 else {
            return "cannot write in \(folder): \(String(cString: strerror(errno)))"
        }
        return nil
    }

    /// Writes a definition if it is one, by the same checks as a node's, and is not what the file has.
    ///
    /// - Parameter name: what reasons call it.
    func take(_ bytes: [UInt8], name: String) throws(Trouble) -> Outcome {
        guard bytes.count <= Self.byteCountMax else {
            return .refused("\(name): larger than \(Self.byteCountMax) bytes")
        }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            return .refused("\(name): not UTF-8")
        }
        let new: ClusterDefinition
        do {
            new = try ClusterDefinition(yaml: text, file: name)
        } catch {
            return .refused("\(error)")
        }
        // One that cannot be read is written anew.
        if let present = try? ClusterDefinition.text(of: path) {
            if present.utf8.elementsEqual(bytes) { return .unchanged }
            if let known = try? ClusterDefinition(yaml: present, file: path),
                new.generation < known.generation
            {
                return .refused(
                    "\(name): generation \(new.generation), and \(path) is \(known.generation) already"
                )
            }
        }
        if let trouble = Self.writing.withLock({ _ in replace(with: bytes) }) { throw trouble }
        return .written
    }

    /// By a file beside it, which is on the disk before it takes the other's place. Mode and, where that is allowed,
    /// owner and group stay what they were.
    private func replace(with bytes: [UInt8]) -> Trouble? {
        let place = place
        let folder = Self.folder(of: place)
        func trouble() -> Trouble {
            Trouble(description: "\(path) cannot be written: \(String(cString: strerror(errno)))")
        }
        var template = Array("\(folder)/.sojourn-follow-XXXXXX".utf8CString)
        let descriptor = mkstemp(&template)
        guard descriptor >= 0 else { return trouble() }
        defer { close(descriptor) }
        guard Self.fill(descriptor, with: bytes, like: place), rename(template, place) == 0 else {
            let trouble = trouble()
            unlink(template)
            return trouble
        }
        // The file is in its place; that it stays there when the machine stops now is not certain before this.
        let directory = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        if directory >= 0 {
            fsync(directory)
            close(directory)
        }
        return nil
    }

    private static func fill(
        _ descriptor: Int32, with bytes: [UInt8], like place: String
    ) -> Bool {
        var status = stat()
        var mode: mode_t = 0o644
        if stat(place, &status) == 0 {
            mode = status.st_mode & 0o777
            if fchown(descriptor, status.st_uid, status.st_gid) != 0 {
                _ = fchown(descriptor, uid_t.max, status.st_gid)
            }
        }
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
            guard count >= 0 || errno == EINTR else { return false }
            rest = rest.dropFirst(max(0, count))
        }
        return fchmod(descriptor, mode) == 0 && fsync(descriptor) == 0
    }

    private static func folder(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }
}
