! Arrays that count from 1 (or from where they say), columns in front; text that is no array.
module shapes
  implicit none
  type :: point
    real(8) :: x, y
  end type
  integer :: total(4) = 3
end module
program columns
  use shapes
  implicit none
  type(point) :: ps(3)
  character(len=10) :: text
  integer :: m(2, 3), from(-1:5), deep(2, 3, 4)
  text = 'fortran'
  m = 7
  from = 1
  deep = 2
  ps(1) = point(1d0, 2d0)
  print *, text, m, from, deep, ps(1)%x, total
end program
