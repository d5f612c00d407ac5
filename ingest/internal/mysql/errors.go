package mysql

import (
	"crypto/tls"
	"errors"
	"strings"

	"compute-mesh.dev/ingest/internal/sink"
	"github.com/go-sql-driver/mysql"
)

// errTime is a row that no datetime can hold.
var errTime = errors.New("the time is outside what datetime holds, the years 1000 to 9999")

// errSize is a row that is larger than one statement may be.
var errSize = errors.New("the row is larger than the server's max_allowed_packet")

// Numbers of errors: https://mariadb.com/kb/en/mariadb-error-codes/, https://docs.singlestore.com/db/latest/reference/troubleshooting-reference/.
const (
	tableExists       = 1050
	duplicateKey      = 1062
	badDatabase       = 1049
	accessDenied      = 1045
	databaseDenied    = 1044
	tableDenied       = 1142
	columnDenied      = 1143
	privilegeNeeded   = 1227
	noSuchTable       = 1146
	unknownColumn     = 1054
	rowTooLarge       = 1118
	packetTooLarge    = 1153
	constraintFailed  = 4025
	constraintFailed8 = 3819
	invalidJSON       = 3140
	invalidJSONLeaf   = 1844
)

// Classify goes by the number of the error, then by SQLSTATE: the classes 22 (data exception) and 23 (integrity constraint violation) are Poison.
func (d *database) Classify(err error) sink.Class {
	var answer *mysql.MySQLError
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.Is(err, errTime) || errors.Is(err, errSize) || errors.Is(err, mysql.ErrPktTooLarge):
		return sink.Poison
	case errors.As(err, &certificate) || errors.Is(err, mysql.ErrNoTLS):
		return sink.Setup
	case !errors.As(err, &answer):
		return sink.Transient
	}
	switch answer.Number {
	case accessDenied, databaseDenied, tableDenied, columnDenied, privilegeNeeded:
		return sink.Credentials
	case badDatabase:
		return sink.Setup
	case noSuchTable, unknownColumn:
		return sink.Gone
	case invalidJSON, invalidJSONLeaf:
		return sink.DocumentLimit
	case constraintFailed, constraintFailed8:
		// MariaDB checks JSON by a constraint with the name of the column; it refuses what is nested deeper than 32 levels.
		if strings.Contains(answer.Message, ".doc`") {
			return sink.DocumentLimit
		}
		return sink.Poison
	case rowTooLarge, packetTooLarge, duplicateKey:
		return sink.Poison
	}
	if state := string(answer.SQLState[:2]); state == "22" || state == "23" || isTruncation(answer.Number) {
		return sink.Poison
	}
	return sink.Transient
}

// isTruncation lists what servers report with the SQLSTATE HY000 or 01000: a value that does not fit its column.
func isTruncation(number uint16) bool {
	switch number {
	case 1264, 1265, 1292, 1366, 1367, 1406, 1411, 1690:
		return true
	}
	return false
}
