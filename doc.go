// Package rekey recovers a forgotten password with a six-digit code sent to the mobile number of the account. It is put
// beside an application that has its own users table.
//
// The package is the recovery itself: Service.Check, Service.Send and Service.Reset, and the doors (Directory, Codes,
// Limiter, Sender, Recorder) behind which users tables, code stores and SMS providers stand. It imports the standard
// library only and knows neither HTTP nor SQL; packages web, userdb, codestore and sms do.
//
// The decision that carries the design: the users table is where a reset is decided. A code is bound to the password
// hash that it replaces, and the last step is one compare-and-set on that hash. The code store only limits guessing;
// even a store that forgets can't make a second reset happen. There are no locks, leases or claims: whoever sets first
// wins.
package rekey
